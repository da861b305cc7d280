/** Strings as files hold them, without Node's Buffer. Latin-1 has one character per byte. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

export const fromUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);

export const toUtf8 = (text: string): Uint8Array<ArrayBuffer> => encoder.encode(text);

/** Characters that one call takes as arguments. */
const AT_ONCE = 8192;

export function fromLatin1(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += AT_ONCE) {
    text += String.fromCharCode(...bytes.subarray(at, at + AT_ONCE));
  }
  return text;
}

export const toLatin1 = (text: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(text.length).map((_, i) => text.charCodeAt(i));

/** Who wrote a file: put where its format has room for a name, and looked for there (lib/disk/marks.ts). */
export const GENERATOR = 'alexnet-oracle';
