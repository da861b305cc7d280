/** alexnet picture: what a network is and does, as PNG or SVG for papers and slides. */
import { Argument, type Command } from 'commander';
import { InputError } from '../../errors.ts';
import { type PictureKind, type PictureOptions, picture, pictureKinds } from '../../picture/index.ts';
import { forceOption, integer, jsonOption, weightOptions } from '../options.ts';
import { print, progressBar, tell, tellUnread } from '../output.ts';

interface Options extends PictureOptions {
  readonly json?: boolean;
}

export function register(program: Command): void {
  const command = program
    .command('picture')
    .description('a picture of the network, or of what it makes of a photo, for papers and slides')
    .addArgument(new Argument('<what>', 'what is drawn').choices(pictureKinds))
    .argument('[image]', 'a JPEG or PNG file (default: a photo made by the program)');
  weightOptions(command)
    .option('--out <file>', 'write the picture there: FILE.png or FILE.svg')
    .option('--layer <name>', 'of kernels and features (the first)')
    .option('--class <class>', 'of saliency and occlusion: a number or a name (the most probable)')
    .option('--square <pixels>', 'of occlusion: side of the square', integer(1))
    .option('--places <n>', 'of occlusion: along each side of the photo', integer(2, 512))
    .option('--folder <dir>', 'of neighbours: the pictures to look among')
    .option('--count <n>', 'of neighbours: how many (6)', integer(1, 200))
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(what: PictureKind, image: string | undefined, { json, ...asked }: Options): Promise<void> {
  const { out } = asked;
  if (out === undefined && !json)
    throw new InputError('picture writes a file: --out FILE.png or FILE.svg (or prints numbers: --json)');
  const bar = await progressBar('{bar} {value} of {total}, {eta_formatted} left');
  const drawn = await picture(what, { ...asked, image, progress: bar.update }).finally(bar.stop);
  const { network, weights, facts, failures = [], notes } = drawn;
  notes.forEach(tell);
  const about = { picture: what, network, weights, image: image ?? null, file: out ?? null };
  await print(
    json,
    { ...about, ...facts },
    () => `${out}: ${what} of ${network}, weights: ${weights}\n`,
    out,
  );
  tellUnread(failures, json);
}
