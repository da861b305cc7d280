/**
 * How far a file that resizes is from Pillow: `npx tsx bench/resize.ts FILE…` puts photographs through the graph of
 * `export --resize` (shorter side to 256) in onnxruntime and counts values that are not those of
 * reference/input/resize.ts, which has Pillow's bits (spec/reference/input/resize.spec.ts).
 */
import { readFileSync } from 'node:fs';
import { GraphBuilder } from '../export/graph.ts';
import { encodeModel } from '../export/proto.ts';
import { emitResized, RESIZE_OPSET } from '../export/resize.ts';
import { decodeImage } from '../lib/image/decode.ts';
import { loadOnnxruntime } from '../lib/runtime/onnxruntime.ts';
import { centreSquare, torchvisionPreprocess } from '../reference/input/preprocess.ts';

const g = new GraphBuilder({ precision: 'float32', batch: 'dynamic', lrn: 'native' });
const image = g.input('image', ['N', 'H', 'W', 3], 'uint8');
const { size } = torchvisionPreprocess.resize;
g.output(emitResized(g, image, torchvisionPreprocess, size));
const graph = g.build('resize', '');
const opsetImport = [{ domain: '', version: RESIZE_OPSET }];
const { InferenceSession, Tensor } = await loadOnnxruntime();
const session = await InferenceSession.create(encodeModel({ irVersion: 8, opsetImport, graph }));

let values = 0;
let differing = 0;
let most = 0;
for (const file of process.argv.slice(2)) {
  const photo = await decodeImage(readFileSync(file), file);
  const wanted = centreSquare(photo, torchvisionPreprocess).data;
  const shape = [1, photo.height, photo.width, 3];
  const found = await session.run({ image: new Tensor('uint8', photo.data, shape) });
  const bytes = found[session.outputNames[0]].data as Uint8Array;
  for (const [i, value] of wanted.entries()) {
    const off = Math.abs(value - bytes[i]);
    values++;
    differing += Number(off > 0);
    most = Math.max(most, off);
  }
}
console.log(`${differing} of ${values} values differ from Pillow's, by ${most} at most`);
