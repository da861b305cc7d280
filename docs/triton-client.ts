/**
 * Pictures classified by a Triton server, over REST. No package is needed; Node 22.18 and later run this file as it is:
 *
 *   node triton-client.ts http://localhost:8000 torchvision-ten-views cat.rgb dog.rgb
 *
 * A file holds one picture as the model takes it: uint8 (S,S,3), RGB, or float32 (3,S,S). ImageMagick makes the first:
 *
 *   convert cat.jpg -auto-orient -resize '256x256^' -gravity center -extent 256x256 -depth 8 rgb:cat.rgb
 */
import { readFile } from 'node:fs/promises';

const [server, model, ...files] = process.argv.slice(2);
const address = `${server}/v2/models/${model}`;

type Port = { name: string; datatype: string; shape: number[]; data: string[] };

async function ask(url: string, request?: RequestInit): Promise<{ inputs: Port[]; outputs: Port[] }> {
  const answer = await fetch(url, request);
  if (!answer.ok) throw new Error(`${url}: ${answer.status} ${await answer.text()}`);
  return answer.json() as never;
}

const { inputs, outputs } = await ask(address);
const [{ name, datatype, shape }] = inputs;
const dims = shape.slice(1);
const size = dims.reduce((a, b) => a * b, datatype === 'UINT8' ? 1 : 4);
const pictures = await Promise.all(files.map((file) => readFile(file)));
for (const [i, { length }] of pictures.entries())
  if (length !== size) throw new Error(`${files[i]}: ${length} bytes, but ${datatype} [${dims}] is ${size}`);

const head = JSON.stringify({
  inputs: [
    {
      ...{ name, datatype, shape: [pictures.length, ...dims] },
      parameters: { binary_data_size: size * pictures.length },
    },
  ],
  outputs: [{ name: outputs.at(-1)?.name, parameters: { classification: 5 } }],
});
const {
  outputs: [{ data }],
} = await ask(`${address}/infer`, {
  method: 'POST',
  headers: { 'Inference-Header-Content-Length': String(Buffer.byteLength(head)) },
  body: Buffer.concat([Buffer.from(head), ...pictures]),
});
const each = data.length / files.length;
for (const [i, file] of files.entries()) {
  console.log(file);
  for (const text of data.slice(i * each, (i + 1) * each)) {
    const [value, index, ...label] = text.split(':'); // value:index:label, where the label may have colons
    console.log(`  ${Number(value).toFixed(4)}  ${label.join(':') || `class ${index}`}`);
  }
}
