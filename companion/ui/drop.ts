/** A file that is dropped on the page, or chosen. Its bytes stay here. */
import { useEffect, useState } from 'preact/hooks';

type Take = (file: File) => unknown;

/** Whether a file is over the page; `take` gets the first one that is dropped. */
export function useDrop(take: Take): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const drag = (event: DragEvent): void => {
      event.preventDefault();
      setOver(event.type === 'dragover');
      const file = event.type === 'drop' && event.dataTransfer?.files[0];
      if (file) take(file);
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
  ({ currentTarget }: { readonly currentTarget: HTMLInputElement }): void => {
    const file = currentTarget.files?.[0];
    if (file) take(file);
    // the same file can be chosen again, when it was mended
    currentTarget.value = '';
  };
