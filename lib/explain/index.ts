/** The functions behind `alexnet explain`: the companion on loopback, or as one file. */
import { type Checks, called, checkAgainst, checkArgument, text, truth } from '../checks.ts';
import { checkTargets } from '../disk/target.ts';
import { writeWhole } from '../disk/write.ts';
import { InputError } from '../errors.ts';
import { choiceChecks } from '../networks/resolve.ts';
import { type ExplainOptions, gather } from './gather.ts';
import { pageOf } from './page.ts';
import { type Served, serve } from './serve.ts';

export interface WritePageOptions extends ExplainOptions {
  /** Overwrite a file that this program did not write. */
  readonly force?: boolean;
}

/** What a page is about. */
export interface Explained {
  readonly network: string;
  /** The file, or 'seed 0, kaiming'. */
  readonly weights: string;
  /** null: the program's own photo. */
  readonly image: string | null;
  readonly notes: readonly string[];
}

const checks: Checks<ExplainOptions> = { ...choiceChecks, image: text, neighbours: text, progress: called };

/** Bytes of weights and photo that a page may hold: a browser reads no text of more than half a gigabyte. */
const MOST_EMBEDDED = 3e8;

/**
 * Serves the companion until `close` is called. Rejects with InputError for weights, a network or a photo that cannot
 * be read.
 */
export async function explain(options: ExplainOptions = {}): Promise<Explained & Served> {
  checkAgainst(checks, options, 'explain');
  const gathered = await gather(options, 'served');
  const served = await serve(pageOf(gathered, 'served'), gathered.files);
  return { ...about(gathered, options.image), ...served };
}

/** Writes the companion as one file, which needs no server and no network. */
export async function writePage(file: string, options: WritePageOptions = {}): Promise<Explained & Written> {
  checkArgument('writePage: file', file, text);
  checkAgainst({ ...checks, force: truth }, options, 'writePage');
  const { force, ...asked } = options;
  const { image, weights } = asked;
  const target = { path: file, mark: 'html', option: '--out' } as const;
  const given = [image, weights].filter((one) => typeof one === 'string');
  await checkTargets([target], { inputs: given, force });
  const gathered = await gather(asked, 'embedded');
  const size = [...gathered.files.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
  if (size > MOST_EMBEDDED) {
    throw new InputError(
      `${Math.round(size / 1e6)} MB of weights do not go into a page: leave --out away, or drop the file on the page`,
    );
  }
  const content = pageOf(gathered, 'embedded');
  await writeWhole({ ...target, content }, { inputs: gathered.read, force });
  return { ...about(gathered, image), file, bytes: Buffer.byteLength(content) };
}

export interface Written {
  readonly file: string;
  readonly bytes: number;
}

const about = ({ start }: Awaited<ReturnType<typeof gather>>, image: string | undefined): Explained => ({
  network: start.network.name,
  weights: start.source,
  image: image ?? null,
  notes: start.notes,
});
