/** What each of two towers holds of every value, and what it sends the other, counted as it goes. */
import { common, type Exchange, type Segment, type Tower } from '../../export/towers.ts';
import { concat } from '../../reference/ops/index.ts';
import { dense, type Shape, type Tensor, tensor, zeros } from '../../reference/tensor.ts';

/** Maps that went from one tower to the other, or their gradients. */
export interface Sent extends Exchange {
  /** A gradient, which goes back. */
  readonly back: boolean;
  readonly images: number;
  readonly bytes: number;
}

export class Exchanges {
  readonly sent: Sent[] = [];
  readonly #towers: readonly Tower[];
  readonly #held: readonly Map<string, Tensor>[];

  constructor(towers: readonly Tower[]) {
    this.#towers = towers;
    this.#held = towers.map(() => new Map());
  }

  /** Something of a tower's alone: a parameter's share, the loss. */
  hold(tower: number, name: string, y: Tensor): void {
    this.#held[tower].set(name, y);
  }

  /** A tower's value, without the neighbour's maps at the border. */
  keep(tower: number, { border: [before, behind] }: Segment, name: string, y: Tensor): void {
    this.hold(tower, name, cut(y, before, y.shape[1] - behind));
  }

  /** What a segment reads: the tower's own maps and those that it receives, in the network's order. */
  gather({ takes, network }: Segment, receiver: number): Tensor {
    const before = network.layers[0].name;
    const pieces = this.#shares(takes).map(({ sender, maps, first }) => {
      const piece = cut(this.#held[sender].get(takes.value)!, maps.from - first, maps.to - first);
      this.#count({ ...maps, before, sender, receiver, back: false }, piece);
      return piece;
    });
    return joined(pieces);
  }

  /** The gradient of what a segment read goes back to whoever made it, and is added there. */
  scatter({ takes, network }: Segment, sender: number, dx: Tensor): void {
    const before = network.layers[0].name;
    const value = `d${takes.value}`;
    for (const { sender: receiver, maps, first, own } of this.#shares(takes)) {
      const piece = cut(dx, maps.from - takes.from, maps.to - takes.from);
      this.#count({ ...maps, value, before, sender, receiver, back: true }, piece);
      const [N, , ...rest] = dx.shape;
      this.add(receiver, value, piece, [N, own, ...rest], maps.from - first);
    }
  }

  /** Adds to what a tower holds under that name, of that shape, from map `first` on. */
  add(tower: number, name: string, piece: Tensor, shape: Shape = piece.shape, first = 0): void {
    const sum = this.#held[tower].get(name) ?? zeros(shape);
    const size = piece.size / shape[0];
    const stride = sum.size / shape[0];
    const offset = (first * size) / piece.shape[1];
    const values = dense(piece);
    for (let i = 0; i < values.length; i++)
      sum.data[Math.floor(i / size) * stride + offset + (i % size)] += values[i];
    this.hold(tower, name, sum);
  }

  /** The gradient of a segment's value: 0 in the neighbour's maps at the border, which were not kept. */
  upstream(tower: number, { border: [before, behind] }: Segment, name: string): Tensor {
    const dy = this.#held[tower].get(name)!;
    const [N, , ...rest] = dy.shape;
    const maps = (count: number): Tensor[] => (count > 0 ? [zeros([N, count, ...rest])] : []);
    return joined([...maps(before), dy, ...maps(behind)]);
  }

  /** Both towers' maps of a value, or rows of a parameter. */
  whole(name: string): Tensor {
    const pieces = this.#held.flatMap((held) => held.get(name) ?? []);
    return name.includes('.') ? rows(pieces) : joined(pieces);
  }

  #shares(takes: Segment['takes']) {
    return this.#towers.flatMap(({ own, index: sender }) => {
      const maps = common(takes, own);
      const { from: first, to } = own.get(takes.value) ?? { from: 0, to: 0 };
      return maps ? [{ sender, maps, first, own: to - first }] : [];
    });
  }

  #count(exchange: Omit<Sent, 'images' | 'bytes'>, piece: Tensor): void {
    if (exchange.sender === exchange.receiver) return;
    this.sent.push({ ...exchange, images: piece.shape[0], bytes: piece.size * piece.data.BYTES_PER_ELEMENT });
  }
}

const joined = (pieces: readonly Tensor[]): Tensor =>
  pieces.length === 1 ? pieces[0] : concat.forward(pieces, undefined);

/** One below the other. */
function rows(pieces: readonly Tensor[]): Tensor {
  const [{ shape }] = pieces;
  const all = new Float32Array(pieces.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(dense(piece), at);
    at += piece.size;
  }
  return tensor(all, [pieces.reduce((sum, piece) => sum + piece.shape[0], 0), ...shape.slice(1)]);
}

/** Maps [from, to) of a tensor. */
function cut(t: Tensor, from: number, to: number): Tensor {
  const [N, C, ...rest] = t.shape;
  if (from === 0 && to === C) return t;
  const size = t.size / (N * C);
  const values = dense(t);
  const part = new Float32Array(N * (to - from) * size);
  for (let n = 0; n < N; n++)
    part.set(values.subarray((n * C + from) * size, (n * C + to) * size), n * (to - from) * size);
  return tensor(part, [N, to - from, ...rest]);
}
