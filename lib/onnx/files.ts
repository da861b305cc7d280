/** The files that a run reads when it is given some: models bring their external data. */
import { realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { openFile } from '../disk/source.ts';
import { openModel } from '../format/onnx.ts';

/** Every ONNX file begins with the field ir_version. */
const FIRST_BYTE = 8;

/**
 * These files and the external data of the models among them. Asked only where an existing file would be replaced:
 * a model is read for it.
 */
export const withExternalData = (paths: readonly string[]) => async (): Promise<readonly string[]> =>
  paths.flatMap((path) => [path, ...externalFiles(path)]);

/** Empty for what is no model: whoever reads it says what is wrong with it. */
function externalFiles(path: string): string[] {
  const locations = new Set<string>();
  try {
    const file = openFile(path);
    try {
      if (file.read(0, 1)[0] !== FIRST_BYTE) return [];
      const beside = (location: string) => {
        locations.add(location);
        return file.beside!(location);
      };
      openModel({ ...file, beside });
    } finally {
      file.close();
    }
  } catch {}
  // a link's own folder counts for some readers, that of its target for others
  return [...locations].flatMap((location) => [
    resolve(dirname(path), location),
    resolve(dirname(realpathSync(path)), location),
  ]);
}
