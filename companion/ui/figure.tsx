/** The net, drawn to scale; each of its layers is a link. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { type Block, draw, facesOf, placesOf, wiresBetween } from '../../lib/picture/blocks.ts';
import type { Scene } from './scene.ts';
import { formatView, type View } from './view.ts';

const pathOf = (points: readonly (readonly [number, number])[]): string =>
  `M${points.map((point) => point.join(' ')).join('L')}z`;

/** A box seen aslant: front, top and side. */
function Box({ block, middle }: { readonly block: Block; readonly middle: number }) {
  const faces = facesOf(block, middle);
  return (
    <>
      <path class="front" d={pathOf(faces.front)} />
      <path class="roof" d={pathOf(faces.roof)} />
      <path class="side" d={pathOf(faces.side)} />
    </>
  );
}

/** Lines from a block to the next. */
function Wires({
  from,
  to,
  middles,
}: {
  readonly from: Block;
  readonly to: Block;
  readonly middles: readonly number[];
}) {
  const lines = wiresBetween(from, to, middles).map(([[x1, y1], [x2, y2]]) => (
    <path key={`${y1} ${y2}`} d={`M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`} />
  ));
  return <g class="wires">{lines}</g>;
}

export function Figure({ scene, view }: { readonly scene: Scene; readonly view: View }) {
  const { network, shapes } = scene;
  const { blocks, width, height, middles } = useMemo(() => draw(network, shapes), [network, shapes]);
  const lines = Math.max(...blocks.map(({ layers }) => layers.length));
  const bottom = height + 46;
  const full = bottom + 15 * lines + 4;
  const box = useRef<HTMLDivElement>(null);
  const current = blocks.findIndex(({ layers }) => layers.includes(view.layer));
  useEffect(() => {
    const frame = box.current!;
    const part = blocks[current].x / width;
    frame.scrollLeft = part * frame.scrollWidth - frame.clientWidth / 2;
  }, [blocks, current, width]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls on a narrow screen
    <section class="figure" aria-label="The network, drawn to scale" ref={box} tabIndex={0}>
      <svg viewBox={`0 0 ${width} ${full}`} style={{ minWidth: `${Math.min(width, 980) * 0.8}px` }}>
        <title>{`${network.name}, drawn to scale`}</title>
        {blocks.slice(1).map((block, i) => (
          <Wires key={block.x} from={blocks[i]} to={block} middles={middles} />
        ))}
        {blocks.map((block) => {
          const { layers, x, thick, deep, caption } = block;
          const mid = x + (thick + deep) / 2;
          return (
            <g key={x} class={layers.includes(view.layer) ? 'block on' : 'block'}>
              <a
                href={formatView({ ...view, layer: layers[0], map: 0, row: 0, column: 0 })}
                aria-label={`${layers[0]}: ${caption.join(', ')}`}
                tabIndex={-1}
              >
                {placesOf(block, middles).map((middle) => (
                  <Box key={middle} block={block} middle={middle} />
                ))}
              </a>
              <text class="size" x={mid} y={height + 14}>
                {caption[0]}
              </text>
              <text class="size" x={mid} y={height + 26}>
                {caption[1]}
              </text>
              {layers.map((layer, i) => (
                <a
                  key={layer}
                  href={formatView({ ...view, layer, map: 0, row: 0, column: 0 })}
                  aria-current={layer === view.layer ? 'true' : undefined}
                >
                  <text class={layer === view.layer ? 'name on' : 'name'} x={mid} y={bottom + 15 * i}>
                    {layer}
                  </text>
                </a>
              ))}
            </g>
          );
        })}
      </svg>
    </section>
  );
}
