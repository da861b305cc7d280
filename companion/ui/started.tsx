/** How far a series is; a button where it waits for one. */
import type { Series } from './series.ts';

export function Started({ series, of }: { readonly series: Series; readonly of: number }) {
  const { parts, running, start } = series;
  if (parts.length === of) return null;
  if (!running) {
    return (
      <button type="button" onClick={start}>
        compute
      </button>
    );
  }
  return <progress value={parts.length} max={of} aria-label="progress" />;
}
