/** The net, drawn to scale; each of its layers is a link. */
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { type Block, draw } from './blocks.ts';
import type { Scene } from './scene.ts';
import { formatView, type View } from './view.ts';

/** A box seen aslant: front, top and side. */
function Box({ block, middle }: { readonly block: Block; readonly middle: number }) {
  const { x, thick, high, deep } = block;
  const top = middle - high / 2 + deep / 2;
  return (
    <>
      <rect class="front" x={x} y={top} width={thick} height={high} />
      <path class="roof" d={`M${x} ${top}l${deep} ${-deep}h${thick}l${-deep} ${deep}z`} />
      <path class="side" d={`M${x + thick} ${top}l${deep} ${-deep}v${high}l${-deep} ${deep}z`} />
    </>
  );
}

/** Lines from a block to the next: from each tower to itself, and to the other where the next one reads both. */
function Wires({
  from,
  to,
  middles,
}: {
  readonly from: Block;
  readonly to: Block;
  readonly middles: readonly number[];
}) {
  const x1 = from.x + from.thick + from.deep + 4;
  const x2 = to.x - 4;
  const ends = (block: Block): readonly number[] => (block.towers === 2 ? middles : [centre(middles)]);
  const lines = ends(from).flatMap((y1, i) =>
    ends(to).flatMap((y2, j) => {
      const across = from.towers === 2 && to.towers === 2 && i !== j;
      return across && !to.crosses
        ? []
        : [
            <path
              key={`${i}${j}`}
              d={`M${x1} ${y1}C${(x1 + x2) / 2} ${y1} ${(x1 + x2) / 2} ${y2} ${x2} ${y2}`}
            />,
          ];
    }),
  );
  return <g class="wires">{lines}</g>;
}

const centre = (middles: readonly number[]): number =>
  middles.reduce((sum, y) => sum + y, 0) / middles.length;

export function Figure({ scene, view }: { readonly scene: Scene; readonly view: View }) {
  const { network, shapes } = scene;
  const { blocks, width, height, middles } = useMemo(() => draw(network, shapes), [network, shapes]);
  const lines = Math.max(...blocks.map(({ layers }) => layers.length));
  const bottom = height + 34;
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
          const { layers, x, thick, deep, towers, caption } = block;
          const mid = x + (thick + deep) / 2;
          return (
            <g key={x} class={layers.includes(view.layer) ? 'block on' : 'block'}>
              <a
                href={formatView({ ...view, layer: layers[0], map: 0, row: 0, column: 0 })}
                aria-label={`${layers[0]}: ${caption.join(', ')}`}
                tabIndex={-1}
              >
                {(towers === 2 ? middles : [centre(middles)]).map((middle) => (
                  <Box key={middle} block={block} middle={middle} />
                ))}
              </a>
              <text class="size" x={mid} y={height + 2}>
                {caption[0]}
              </text>
              <text class="size" x={mid} y={height + 14}>
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
