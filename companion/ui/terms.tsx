/** The values that one is made of, a page at a time; each leads to its own story. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Gradient } from '../engine/backstory.ts';
import type { Story } from '../engine/story.ts';
import { layoutOf, type Scene } from './scene.ts';
import { type Change, formatView, type View } from './view.ts';

const PAGE = 12;

interface Listed {
  readonly scene: Scene;
  readonly view: View;
  readonly change: Change;
}

/** Where value `index` of a layer lies, as a link to it. */
function Place({
  scene,
  view,
  layer,
  index,
}: Omit<Listed, 'change'> & { readonly layer: string; readonly index: number }) {
  if (index < 0) return <>outside: 0</>;
  const { rows, columns, vector } = layoutOf(scene.shapes.get(layer)!);
  const map = Math.floor(index / (rows * columns));
  const row = Math.floor(index / columns) % rows;
  const column = index % columns;
  return (
    <a href={formatView({ ...view, layer, map, row, column })}>
      {vector ? `value ${index}` : `${map}, ${row}, ${column}`}
    </a>
  );
}

interface Rows {
  readonly caption: string;
  readonly heads: readonly string[];
  readonly count: number;
  /** Positions by magnitude, largest first. */
  readonly largest: () => readonly number[];
  readonly cells: (i: number) => readonly ComponentChildren[];
}

/** A table that shows a dozen rows at a time, in reading order or the largest first. */
function Paged({ caption, heads, count, largest, cells }: Rows) {
  const [page, setPage] = useState(0);
  const [bySize, setBySize] = useState(false);
  const pages = Math.ceil(count / PAGE);
  const at = Math.min(page, pages - 1);
  const order = bySize ? largest() : Array.from({ length: count }, (_, i) => i);
  return (
    <div class="terms">
      <table>
        <caption>{caption}</caption>
        <thead>
          <tr>
            {heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {order.slice(at * PAGE, (at + 1) * PAGE).map((i) => (
            <tr key={i}>
              {cells(i).map((cell, column) => (
                <td key={column}>{cell}</td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {count > 1 && (
        <div class="pager">
          <button type="button" disabled={at === 0} onClick={() => setPage(at - 1)}>
            earlier
          </button>
          <span>
            {at * PAGE + 1} to {Math.min(count, (at + 1) * PAGE)} of {count}
          </span>
          <button type="button" disabled={at >= pages - 1} onClick={() => setPage(at + 1)}>
            later
          </button>
          <label>
            <input type="checkbox" checked={bySize} onChange={() => setBySize(!bySize)} />
            the largest first
          </label>
        </div>
      )}
    </div>
  );
}

const bySize = (count: number, size: (i: number) => number): readonly number[] =>
  Array.from({ length: count }, (_, i) => i).sort((a, b) => Math.abs(size(b)) - Math.abs(size(a)));

export function ForwardTerms({ story, scene, view }: Listed & { readonly story: Story }) {
  const { at, x, from, sum, chosen } = story;
  if (!at || !x || !from) return null;
  const place = (i: number) => <Place scene={scene} view={view} layer={from} index={at[i]} />;
  if (!sum) {
    return (
      <Paged
        caption={`What it read of ${from}`}
        heads={['map, row, column', 'value', '']}
        count={x.length}
        largest={() => bySize(x.length, (i) => x[i])}
        cells={(i) => [place(i), String(x[i]), i === chosen ? 'this one' : '']}
      />
    );
  }
  return (
    <Paged
      caption="The sum, term by term"
      heads={['term', `of ${from}: map, row, column`, 'x', 'w', 'x · w', 'sum so far']}
      count={x.length}
      largest={() => bySize(x.length, (i) => x[i] * sum.w[i])}
      cells={(i) => [
        i,
        place(i),
        String(x[i]),
        String(sum.w[i]),
        String(x[i] * sum.w[i]),
        String(sum.running[i]),
      ]}
    />
  );
}

export function BackwardTerms({ gradient, scene, view }: Listed & { readonly gradient: Gradient }) {
  const { readers, by } = gradient;
  if (!by || readers.length === 0) return null;
  return (
    <Paged
      caption={`The values of ${by} that read it`}
      heads={['map, row, column', 'its gradient', 'changes with this value by', 'product']}
      count={readers.length}
      largest={() => bySize(readers.length, (i) => readers[i].product)}
      cells={(i) => {
        const { index, dy, factor, product } = readers[i];
        return [
          <Place key={index} scene={scene} view={view} layer={by} index={index} />,
          String(dy),
          String(factor),
          String(product),
        ];
      }}
    />
  );
}
