/** A file that is dropped on the page, or chosen. Its bytes stay here. */
import { useEffect, useState } from 'preact/hooks';

type Take = (name: string, bytes: Uint8Array<ArrayBuffer>) => unknown;

const read = async (file: File | undefined, take: Take): Promise<void> => {
  if (file) await take(file.name, new Uint8Array(await file.arrayBuffer()));
};

/** Whether a file is over the page; `take` gets the first one that is dropped. */
export function useDrop(take: Take): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent): void => {
      event.preventDefault();
      setOver(event.type === 'dragover');
      if (event.type === 'drop') void read(event.dataTransfer?.files[0], take);
    };
    const kinds = ['dragover', 'dragleave', 'drop'] as const;
    for (const kind of kinds) addEventListener(kind, drag);
    return () => {
      for (const kind of kinds) removeEventListener(kind, drag);
    };
  });
  return over;
}

/** For an input of a file. */
export const chosen =
  (take: Take) =>
  (event: { readonly currentTarget: HTMLInputElement }): void =>
    void read(event.currentTarget.files?.[0], take);
