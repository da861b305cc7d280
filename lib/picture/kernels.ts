/** A convolution's kernels: figure 3 of the paper where they see colours, a slice for each map they read elsewhere. */
import type { Image } from '../../reference/input/preprocess.ts';
import type { LayerOf, Network } from '../../reference/networks/layers.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { dense, type Tensor } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { colours, reach } from './colour.ts';
import { columnsFor, legend, mapOf, mosaic } from './maps.ts';
import { above, beside, line, MUTED, type Part, raster, sheetOf, zoomTo } from './sheet.ts';
import type { Drawn, Subject } from './subject.ts';

type Convolution = LayerOf<'conv2d'>;

/** Throws InputError for a layer without kernels. */
export function kernels(subject: Subject, asked?: string): Drawn {
  const { network, weights } = subject;
  const convolutions = network.layers.filter((layer): layer is Convolution => layer.kind === 'conv2d');
  const layer = convolutions.find(({ name }) => asked === undefined || name === asked);
  if (!layer) {
    const names = convolutions.map(({ name }) => name).join(', ');
    throw new InputError(`--layer ${asked}: ${network.name} has no such convolution (there are: ${names})`);
  }
  const w = weights.get(`${layer.name}.weight`)!;
  const sees = inputsOf(network, network.layers.indexOf(layer))[0];
  const towers = convolutions.some(({ attributes }) => attributes.groups === 2) ? 2 : 1;
  const drawn = sees === 'input' && w.shape[1] === 3 ? inColour(w, network, towers) : inSlices(w, layer);
  const [K, C, R, S] = w.shape;
  const about = [
    `${K} kernels of ${C}×${R}×${S}. ${drawn.scale}.`,
    `${network.name}, weights: ${subject.source}`,
  ];
  return {
    facts: { layer: layer.name, towers, scale: drawn.scale, shape: [...w.shape], values: [...dense(w)] },
    sheet: sheetOf(`Kernels of ${layer.name}`, about, drawn.picture, drawn.note),
  };
}

interface Tiles {
  readonly picture: Part;
  readonly scale: string;
  readonly note?: Part;
}

/** One tower above the other. */
function inColour(w: Tensor, { preprocess }: Network, towers: 1 | 2): Tiles {
  const [K, , R, S] = w.shape;
  const tiles = Array.from({ length: K }, (_, k): Image => {
    const data = colours(dense(w), 3 * k * R * S, R * S, preprocess.channels);
    return { width: S, height: R, data };
  });
  const columns = K % 16 === 0 ? 16 : columnsFor(K / towers, [S, R], 2.4);
  const zoom = zoomTo(640, columns * (S + 1));
  const rows = Array.from({ length: towers }, (_, t) => {
    const own = raster(mosaic(tiles.slice((t * K) / towers, ((t + 1) * K) / towers), columns), zoom);
    return towers === 1 ? own : above([line(`tower ${t + 1}`, { colour: MUTED }), own], 3);
  });
  return {
    picture: above(rows, 10),
    scale: 'Mid-grey is 0; each kernel by its own largest weight',
  };
}

/** A row a kernel, a column a map it reads; groups side by side, each with its own kernels. */
function inSlices(w: Tensor, { attributes: { groups } }: Convolution): Tiles {
  const [K, C, R, S] = w.shape;
  const values = dense(w);
  const most = reach(values);
  const tiles = Array.from({ length: K * C }, (_, i) => mapOf(values, [S, R], most, i * R * S));
  const zoom = Math.max(2, zoomTo(640 / groups, C * (S + 1)));
  const sides = Array.from({ length: groups }, (_, g) => {
    const own = raster(mosaic(tiles.slice((g * K * C) / groups, ((g + 1) * K * C) / groups), C), zoom);
    return groups === 1 ? own : above([line(`group ${g + 1}`, { colour: MUTED }), own], 3);
  });
  return {
    picture: beside(sides, 20),
    scale: 'A row is a kernel, a column a map that it reads; one scale for all',
    note: legend(most, 'weight'),
  };
}
