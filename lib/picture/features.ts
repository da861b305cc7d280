/** What a layer makes of a photo: all its maps in one scale. */
import { dense } from '../../reference/tensor.ts';
import { InputError } from '../errors.ts';
import { reach } from './colour.ts';
import { columnsFor, legend, mapOf, mosaic, panel } from './maps.ts';
import { run } from './running.ts';
import { beside, raster, sheetOf, zoomTo } from './sheet.ts';
import type { Drawn, Photo, Subject } from './subject.ts';

/** Throws InputError for a layer that there is not. */
export function features(subject: Subject, photo: Photo, asked?: string): Drawn {
  const { network, weights } = subject;
  const layer = asked ?? network.layers[0].name;
  const y = run(network, weights, photo.input).values.get(layer);
  if (!y) {
    const names = network.layers.map(({ name }) => name).join(', ');
    throw new InputError(`--layer ${asked}: ${network.name} has no such layer (there are: ${names})`);
  }
  const values = dense(y);
  const most = reach(values);
  const [, maps, H = 1, W = 1] = y.shape;
  const flat = y.shape.length === 2;
  const size = [W, H] as const;
  const columns = columnsFor(maps, size, flat ? 2.4 : 1.5);
  const image = flat
    ? mapOf(values, [columns, Math.ceil(maps / columns)], most)
    : mosaic(
        Array.from({ length: maps }, (_, k) => mapOf(values, size, most, k * H * W)),
        columns,
      );
  const shape = flat ? `${maps} values, row by row` : `${maps} maps of ${H}×${W}, row by row`;
  const about = [`${shape}, in one scale.`, `${network.name}, weights: ${subject.source}`];
  const picture = beside(
    [panel(photo.crop, photo.name), raster(image, zoomTo(flat ? 420 : 560, image.width))],
    20,
  );
  return {
    facts: { layer, largest: most, shape: [...y.shape], values: [...values] },
    sheet: sheetOf(
      `${layer} of a photo`,
      about,
      picture,
      legend(most, 'value', values.some((v) => v < 0) ? -most : 0),
    ),
  };
}
