/** Tensors in the format that a file's name asks for, in pieces, the values not copied. */
import type { NumericDType } from '../array/dtype.ts';
import { floatValue, type NumericValue, widen } from '../array/value.ts';
import { blobPieces } from './caffemodel.ts';
import { npyPieces } from './npy.ts';
import { npzPieces } from './npz.ts';
import { pthPieces } from './pth-write.ts';
import { safetensorsPieces } from './safetensors.ts';

export const tensorEndings = ['safetensors', 'npz', 'pth', 'pt', 'npy', 'binaryproto'] as const;
export type TensorEnding = (typeof tensorEndings)[number];

type Named = readonly (readonly [name: string, value: NumericValue])[];

/**
 * The pieces of the file; types that the format lacks are widened, exactly, and a line for each is added to `notes`.
 * Only .safetensors holds metadata, only one tensor fits into .npy and .binaryproto. Throws where it does not fit.
 */
export function tensorPieces(
  ending: TensorEnding,
  tensors: Named,
  notes: string[],
  metadata?: ReadonlyMap<string, string>,
): Uint8Array[] {
  switch (ending) {
    case 'safetensors':
      return safetensorsPieces(tensors, metadata);
    case 'npz':
      return npzPieces(supported(tensors, ['bfloat16'], notes));
    case 'pth':
    case 'pt':
      return pthPieces(supported(tensors, ['uint16', 'uint32', 'uint64'], notes));
  }
  if (tensors.length !== 1)
    throw new Error(`one array is written as .${ending}, ${tensors.length} are there`);
  const [[, value]] = tensors;
  return ending === 'npy' ? npyPieces(value) : blobPieces(value);
}

function supported(tensors: Named, lacking: readonly NumericDType[], notes: string[]): Named {
  return tensors.map(([name, value]) => {
    if (!lacking.includes(value.dtype)) return [name, value] as const;
    const wide = floatValue(widen(value), value.shape);
    notes.push(`${name}: ${value.dtype} widened to ${wide.dtype}, exactly`);
    return [name, wide] as const;
  });
}
