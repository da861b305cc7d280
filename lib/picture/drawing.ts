/** The network to scale, as figure 2 of the paper. */
import type { Network } from '../../reference/networks/layers.ts';
import { macs, parameterCount, shapes } from '../../reference/oracle.ts';
import { summary } from '../networks/summary.ts';
import { thousands } from '../report/table.ts';
import { type Block, draw, facesOf, placesOf, wiresBetween } from './blocks.ts';
import type { Colour } from './colour.ts';
import { INK, type Item, line, MUTED, moved, over, type Part, type Point, sheetOf } from './sheet.ts';
import type { Drawn } from './subject.ts';

const EDGE: Colour = [111, 138, 166];
const WIRE: Colour = [160, 178, 197];
const FACES = { front: [223, 233, 243], roof: [238, 244, 250], side: [195, 213, 231] } as const;

export function drawing(network: Network): Drawn {
  const { blocks, width, middles } = draw(network, shapes(network));
  const { layers, total } = summary({ network });
  const sizes = blocks.map((block) => sizesOf(block.layers, layers));
  const wires = blocks.slice(1).flatMap((block, i) => wiresBetween(blocks[i], block, middles).map(wire));
  const boxes = blocks.flatMap((block) => placesOf(block, middles).flatMap((middle) => boxOf(block, middle)));
  const ys = boxes.flatMap((box) => (box.kind === 'shape' ? box.points.map(([, y]) => y) : []));
  const bottom = Math.max(...ys);
  const captions = blocks.map((block, i) => captionOf(block, bottom, sizes[i]));
  const whole = over([{ width, height: bottom, items: [...wires, ...boxes] }, ...captions]);
  const top = Math.min(...ys);
  const picture = { ...moved(whole, 0, -top), height: whole.height - top };
  const about = [
    `${network.title}.`,
    `${thousands(total.parameters)} parameters, ${thousands(total.macs)} multiply-adds a picture. Drawn to scale; the last line counts weights.`,
  ];
  return {
    facts: {
      towers: middles.length,
      parameters: parameterCount(network),
      macs: macs(network),
      blocks: blocks.map((block, i) => ({
        layers: block.layers,
        shape: shapes(network).get(block.layers[0])!.slice(1),
        towers: block.towers,
        ...sizes[i],
      })),
    },
    sheet: sheetOf(network.name, about, picture),
  };
}

interface Sizes {
  readonly parameters: number;
  readonly macs: number;
}

function sizesOf(names: readonly string[], layers: ReturnType<typeof summary>['layers']): Sizes {
  const own = layers.filter(({ name }) => names.includes(name));
  const total = (key: keyof Sizes): number => own.reduce((sum, layer) => sum + layer[key], 0);
  return { parameters: total('parameters'), macs: total('macs') };
}

/** Points along a wire. */
const BENDS = 24;

/** Level at both ends, as a Bézier curve with its control points halfway. */
function wire([[x1, y1], [x2, y2]]: readonly [Point, Point]): Item {
  const points = Array.from({ length: BENDS + 1 }, (_, i): Point => {
    const t = i / BENDS;
    const rest = 1 - t;
    const x = x1 * (rest * rest * rest + 1.5 * t * rest) + x2 * (1.5 * t * rest + t * t * t);
    return [x, y1 + (y2 - y1) * t * t * (3 - 2 * t)];
  });
  return { kind: 'shape', points, stroke: WIRE };
}

function boxOf(block: Block, middle: number): Item[] {
  const faces = facesOf(block, middle);
  return (['front', 'roof', 'side'] as const).map((face) => ({
    kind: 'shape',
    points: faces[face],
    fill: FACES[face],
    stroke: EDGE,
  }));
}

/** Below a block: its size, its layers, and how many weights they have. */
function captionOf(block: Block, bottom: number, { parameters }: Sizes): Part {
  const { x, thick, deep, caption, layers } = block;
  const wide = 120;
  const row = (text: string, at: number, colour: Colour): Part =>
    moved(
      line(text, { colour, centred: true, most: wide }),
      x + (thick + deep - wide) / 2,
      bottom + 10 + 14 * at,
    );
  const lines = [
    ...caption.map((text, at) => row(text, at, MUTED)),
    ...layers.map((text, at) => row(text, 2.4 + at, INK)),
    ...(parameters > 0 ? [row(`${short(parameters)}`, 2.4 + layers.length, MUTED)] : []),
  ];
  const height = bottom + 10 + 14 * (3.6 + layers.length);
  return { width: 0, height, items: lines.flatMap(({ items }) => items) };
}

/** 34.9k, 37.8M. */
const short = (count: number): string =>
  count < 1000
    ? `${count}`
    : count < 999_500
      ? `${Number((count / 1e3).toPrecision(3))}k`
      : `${Number((count / 1e6).toPrecision(3))}M`;
