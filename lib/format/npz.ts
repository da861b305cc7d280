/** NumPy's .npz: a zip archive of .npy files, stored (np.savez) or deflated (np.savez_compressed). */
import { joined } from '../../export/write.ts';
import type { LazyValue, NumericValue } from '../array/value.ts';
import { GENERATOR } from './generator.ts';
import { npyPieces, openNpy } from './npy.ts';
import { adopt, bad, fromBytes, type Source } from './source.ts';
import { type Member, readZip, type WriteOptions, zipPieces } from './zip.ts';

/**
 * The arrays of an archive by name (without '.npy'), values unread. Throws InputError for what is no sound
 * .npz. Members that are not .npy are passed over.
 */
export function openNpz(source: Source, members = readZip(source)): ReadonlyMap<string, LazyValue> {
  const arrays = new Map<string, LazyValue>();
  for (const member of members.values()) {
    if (!member.name.endsWith('.npy')) continue;
    arrays.set(member.name.slice(0, -4), openMember(source, member));
  }
  if (arrays.size === 0) throw bad(source, 'a zip archive without .npy members');
  return arrays;
}

/** Bytes of a member that are fetched to learn its type and shape. */
const HEAD = 4096;

function openMember(source: Source, member: Member): LazyValue {
  const name = `${source.name}, array '${member.name.slice(0, -4)}'`;
  const { dtype, shape } = openNpy(adopt(member.head(HEAD), name, member.size));
  const from = (bytes: Uint8Array<ArrayBuffer>) => openNpy(adopt(bytes, name)).read();
  const read = () => from(member.read());
  return member.stored
    ? { dtype, shape, read }
    : { dtype, shape, read, fetch: async () => from(await member.fetch()) };
}

/** The arrays of an archive's bytes by name. Throws InputError. */
export function readNpz(bytes: Uint8Array, name = 'npz'): Map<string, NumericValue> {
  return new Map([...openNpz(fromBytes(bytes, name))].map(([key, array]) => [key, array.read()]));
}

/** The archive in pieces; the values are not copied unless deflated. Its comment names this program. */
export function npzPieces(
  arrays: Iterable<readonly [string, NumericValue]>,
  options?: WriteOptions,
): Uint8Array[] {
  return zipPieces(
    [...arrays].map(([name, array]) => [`${name}.npy`, npyPieces(array)] as const),
    { comment: GENERATOR, ...options },
  );
}

/** The bytes of a .npz file. Throws InputError for what NumPy has no type for. */
export const writeNpz = (
  arrays: Iterable<readonly [string, NumericValue]>,
  options?: WriteOptions,
): Uint8Array => joined(npzPieces(arrays, options));
