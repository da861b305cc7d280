/** Figure 4: of the pictures of the page, those whose last hidden layer is most like that of the photo. */
import { openSafetensors } from '../../lib/format/safetensors.ts';
import { adopt } from '../../lib/format/source.ts';
import { distance } from '../../lib/picture/codes.ts';
import type { Running } from '../../lib/picture/running.ts';
import type { Image } from '../../reference/input/preprocess.ts';
import { dense } from '../../reference/tensor.ts';

export interface Nearest {
  /** Whose values are compared; how many pictures there are. */
  readonly layer: string;
  readonly among: number;
  readonly found: readonly { readonly name: string; readonly distance: number; readonly picture: Image }[];
}

/** Pictures as lib/explain/pictures.ts wrote them, ready to be asked. */
export function picturesIn(bytes: Uint8Array<ArrayBuffer>): (running: Running) => Nearest {
  const { tensors, metadata } = openSafetensors(adopt(bytes, 'the pictures'));
  const codes = tensors.get('codes')!.read();
  const small = tensors.get('small')!.read().data as Uint8Array;
  const names: readonly string[] = JSON.parse(metadata.get('names')!);
  const layer = metadata.get('layer')!;
  const [N, L] = codes.shape;
  const [, height, width] = tensors.get('small')!.shape;
  const size = 3 * height * width;
  return ({ values }) => {
    const wanted = dense(values.get(layer)!);
    const rows = codes.data as Float32Array;
    const all = Array.from({ length: N }, (_, n) => ({
      n,
      distance: distance(wanted, rows.subarray(n * L, (n + 1) * L)),
    }));
    // those that are as near keep their order
    const nearest = all.sort((a, b) => a.distance - b.distance).slice(0, 6);
    const found = nearest.map(({ n, distance: far }) => ({
      name: names[n],
      distance: far,
      picture: { width, height, data: small.slice(n * size, (n + 1) * size) },
    }));
    return { layer, among: N, found };
  };
}
