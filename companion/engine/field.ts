/** The receptive field: which pixels of the picture a value sees, found by going back from window to window. */
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf, type Shapes } from '../../reference/oracle.ts';

/** Rows and columns, each first to last; what reaches beyond the picture is left out. */
export interface Field {
  readonly rows: readonly [number, number];
  readonly columns: readonly [number, number];
}

/** What a value at (row, column) of a layer's output sees of the picture; all of it behind a fully connected layer. */
export function fieldOf(network: Network, shapes: Shapes, name: string, row: number, column: number): Field {
  let rows: readonly [number, number] = [row, row];
  let columns: readonly [number, number] = [column, column];
  const picture = shapes.get('input')!;
  const all: Field = { rows: [0, picture[2] - 1], columns: [0, picture[3] - 1] };
  for (let at = name; at !== 'input'; ) {
    const index = network.layers.findIndex((layer) => layer.name === at);
    const layer = network.layers[index];
    [at] = inputsOf(network, index);
    if (shapes.get(at)!.length < 4 || layer.kind === 'adaptiveavgpool') return all;
    rows = readBy(layer, 0, rows);
    columns = readBy(layer, 1, columns);
  }
  return { rows: inside(rows, picture[2]), columns: inside(columns, picture[3]) };
}

/** Positions first to last that outputs first to last read, along one axis. */
function readBy(
  layer: Layer,
  axis: 0 | 1,
  [first, last]: readonly [number, number],
): readonly [number, number] {
  switch (layer.kind) {
    case 'conv2d': {
      const { stride, pad, dilation } = layer.attributes;
      const reach = (layer.kernel[axis] - 1) * dilation[axis];
      return [first * stride[axis] - pad[axis], last * stride[axis] - pad[axis] + reach];
    }
    case 'maxpool':
    case 'avgpool': {
      const { stride, pad, kernel } = layer.attributes;
      return [first * stride[axis] - pad[axis], last * stride[axis] - pad[axis] + kernel[axis] - 1];
    }
    case 'mapnorm': {
      const before = Math.floor(layer.attributes.size / 2);
      return [first - before, last - before + layer.attributes.size - 1];
    }
    default:
      return [first, last];
  }
}

const inside = ([first, last]: readonly [number, number], extent: number): readonly [number, number] => [
  Math.max(0, first),
  Math.min(extent - 1, last),
];
