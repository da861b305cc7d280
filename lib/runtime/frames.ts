/**
 * Messages between two processes: a length, JSON, and the bytes of values, which go through the pipe as they are.
 * Node's own channel takes seconds for the 240 MB of a model.
 */
import type { Duplex } from 'node:stream';
import { tensor } from '../../reference/tensor.ts';
import { type NumericDType, viewAs } from '../array/dtype.ts';
import { bytesView, fromTensor, type NumericValue } from '../array/value.ts';
import { isTensor, type SessionValue } from './values.ts';

type Values = ReadonlyMap<string, SessionValue>;

interface Frame {
  readonly head: unknown;
  readonly values: Values;
}

/** What stands in front of the bytes. */
interface Lead {
  readonly head: unknown;
  readonly values: readonly {
    readonly name: string;
    readonly dtype: NumericDType;
    readonly shape: number[];
    readonly size: number;
  }[];
}

export function post(pipe: Duplex, head: unknown, values: Values = new Map()): void {
  const plain = [...values].map(([name, v]) => [name, isTensor(v) ? fromTensor(v) : v] as const);
  const lead: Lead = {
    head,
    values: plain.map(([name, { dtype, shape, data }]) => ({
      name,
      dtype,
      shape: [...shape],
      size: data.byteLength,
    })),
  };
  const text = Buffer.from(JSON.stringify(lead));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  for (const piece of [length, text, ...plain.map(([, value]) => bytesView(value))]) pipe.write(piece);
}

/** The next message; null where the other process has gone. */
export async function next(pipe: Duplex): Promise<Frame | null> {
  const length = await bytesFrom(pipe, 4);
  const text = length && (await bytesFrom(pipe, Buffer.from(length).readUInt32LE()));
  if (!text) return null;
  const lead = JSON.parse(new TextDecoder().decode(text)) as Lead;
  const values = new Map<string, SessionValue>();
  for (const { name, dtype, shape, size } of lead.values) {
    const bytes = await bytesFrom(pipe, size);
    if (!bytes) return null;
    const data = viewAs(dtype, bytes);
    const floats = data instanceof Float32Array || data instanceof Float64Array;
    values.set(name, floats ? tensor(data, shape) : ({ dtype, shape, data } as NumericValue));
  }
  return { head: lead.head, values };
}

async function bytesFrom(pipe: Duplex, size: number): Promise<Uint8Array | null> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const chunk: Buffer | null = pipe.read(Math.min(size - at, pipe.readableLength || 1));
    if (chunk) bytes.set(chunk, at);
    else if (pipe.readableEnded || pipe.destroyed) return null;
    else await change(pipe);
    at += chunk?.length ?? 0;
  }
  return bytes;
}

/** Until there is more to read, or will be no more. */
function change(pipe: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const seen = (): void => {
      for (const event of ['readable', 'end', 'close']) pipe.off(event, seen);
      resolve();
    };
    for (const event of ['readable', 'end', 'close']) pipe.on(event, seen);
  });
}
