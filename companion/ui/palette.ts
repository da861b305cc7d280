/** The colours of values, as the reader prefers them. */
import { useEffect, useState } from 'preact/hooks';
import { dark, light, type Palette } from '../../lib/picture/colour.ts';

/** The palette that goes with the reader's preference; it follows when that changes. */
export function usePalette(): Palette {
  const [asked] = useState(() => matchMedia('(prefers-color-scheme: dark)'));
  const [isDark, setDark] = useState(asked.matches);
  useEffect(() => {
    const follow = (): void => setDark(asked.matches);
    asked.addEventListener('change', follow);
    return () => asked.removeEventListener('change', follow);
  }, [asked]);
  return isDark ? dark : light;
}
