/**
 * The net as a drawing to scale: a block for each shape that values have on their way, a pixel of a map so many units
 * high and deep, a map so many units thick. Where convolutions come in two groups there are two towers, as in
 * figure 2 of the paper.
 */
import type { Network } from '../../reference/networks/layers.ts';
import type { Shapes } from '../../reference/oracle.ts';
import type { Shape } from '../../reference/tensor.ts';

export interface Block {
  /** The layers whose values have this shape, in order. */
  readonly layers: readonly string[];
  /** Left edge of the front. */
  readonly x: number;
  /** Thickness: the maps; height: rows; depth: columns, drawn aslant. */
  readonly thick: number;
  readonly high: number;
  readonly deep: number;
  /** 2 where the block is split between the towers. */
  readonly towers: 1 | 2;
  /** Whether it reads both towers, so that lines cross. */
  readonly crosses: boolean;
  /** Under it: 32 maps of 28×28. */
  readonly caption: readonly [string, string];
}

export interface Drawing {
  readonly blocks: readonly Block[];
  readonly width: number;
  readonly height: number;
  /** Middle lines of the towers; one where there are none. */
  readonly middles: readonly number[];
}

/** Units of a picture's side, and of a map's thickness. */
const SIDE = 104;
const MAP = 0.22;
/** Units of a neuron's share of its column. */
const LONGEST = 150;
const GAP = 34;
const SLANT = 0.42;
const TOP = 16;

export function draw(network: Network, shapes: Shapes): Drawing {
  const split = network.layers.some((layer) => layer.kind === 'conv2d' && layer.attributes.groups === 2);
  const grouped = blocksOf(network, shapes);
  const unit = SIDE / network.input[1];
  const neurons = Math.max(...grouped.map(({ shape }) => (shape.length === 2 ? shape[1] : 0)));
  let x = 4;
  const blocks = grouped.map(({ shape, layers, weighted, ungrouped }, at): Block => {
    const last = at === grouped.length - 1;
    const towers = split && at > 0 && !last ? 2 : 1;
    const maps = shape.length === 4;
    const high = maps ? unit * shape[2] : Math.max(10, (LONGEST * Math.sqrt(shape[1] / neurons)) / towers);
    const deep = maps ? SLANT * unit * shape[3] : 3;
    const thick = maps ? Math.max(3, (MAP * shape[1]) / towers) : 7;
    const block = {
      layers,
      x,
      thick,
      high,
      deep,
      towers,
      crosses: split && weighted && ungrouped && at > 1,
      caption: maps
        ? ([`${shape[2]}×${shape[3]}`, `${shape[1]} map${shape[1] === 1 ? '' : 's'}`] as const)
        : ([`${shape[1]}`, 'values'] as const),
    } as const;
    x += thick + deep + GAP;
    return block;
  });
  const tall = SIDE + SLANT * SIDE;
  const middles = split ? [TOP + tall / 2, TOP + tall * 1.5 - 20] : [TOP + tall / 2 + 20];
  return { blocks, width: x, height: middles.at(-1)! + tall / 2, middles };
}

interface Group {
  readonly shape: Shape;
  readonly layers: string[];
  readonly weighted: boolean;
  readonly ungrouped: boolean;
}

/** Runs of layers that keep the shape; what flattens or drops stays with what it moves. */
function blocksOf({ layers }: Network, shapes: Shapes): Group[] {
  const groups: Group[] = [
    { shape: shapes.get('input')!, layers: ['input'], weighted: false, ungrouped: true },
  ];
  for (const layer of layers) {
    const shape = shapes.get(layer.name)!;
    const before = groups.at(-1)!;
    const weighted = layer.kind === 'conv2d' || layer.kind === 'linear';
    const same = layer.kind === 'flatten' || layer.kind === 'dropout' || shape.join() === before.shape.join();
    if (same && !weighted) before.layers.push(layer.name);
    else {
      const ungrouped = layer.kind !== 'conv2d' || layer.attributes.groups === 1;
      groups.push({ shape, layers: [layer.name], weighted, ungrouped });
    }
  }
  return groups;
}

type Point = readonly [x: number, y: number];

/** The faces of a block that are seen, in the tower whose middle line is given: front, top, right side. */
export function facesOf(
  { x, thick, high, deep }: Block,
  middle: number,
): Record<'front' | 'roof' | 'side', Point[]> {
  const top = middle - high / 2 + deep / 2;
  const right = x + thick;
  return {
    front: [
      [x, top],
      [right, top],
      [right, top + high],
      [x, top + high],
    ],
    roof: [
      [x, top],
      [x + deep, top - deep],
      [right + deep, top - deep],
      [right, top],
    ],
    side: [
      [right, top],
      [right + deep, top - deep],
      [right + deep, top - deep + high],
      [right, top + high],
    ],
  };
}

const centre = (middles: readonly number[]): number =>
  middles.reduce((sum, y) => sum + y, 0) / middles.length;

/** The middle lines on which a block stands. */
export const placesOf = ({ towers }: Block, middles: readonly number[]): readonly number[] =>
  towers === 2 ? middles : [centre(middles)];

/** Lines from a block to the next: from each tower to itself, and to the other where the next one reads both. */
export function wiresBetween(
  from: Block,
  to: Block,
  middles: readonly number[],
): (readonly [Point, Point])[] {
  const x1 = from.x + from.thick + from.deep + 4;
  const x2 = to.x - 4;
  return placesOf(from, middles).flatMap((y1, i) =>
    placesOf(to, middles).flatMap((y2, j): (readonly [Point, Point])[] => {
      const across = from.towers === 2 && to.towers === 2 && i !== j;
      return across && !to.crosses
        ? []
        : [
            [
              [x1, y1],
              [x2, y2],
            ],
          ];
    }),
  );
}
