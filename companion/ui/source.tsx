/** Lines of our source, with their numbers. */
import { excerpt } from './sources.ts';

export function Source({
  place: [file, from, count],
}: {
  readonly place: readonly [string, string, number];
}) {
  const { first, lines } = excerpt(file, from, count);
  return (
    <figure class="source">
      <figcaption>
        {file}, line {first}
      </figcaption>
      <pre data-first={first}>
        <code>{lines.join('\n')}</code>
      </pre>
    </figure>
  );
}
