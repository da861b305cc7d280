declare module 'pngjs/lib/parser-sync.js' {
  export default function read(file: Uint8Array, options: object): { readonly data: ArrayLike<number> };
}
