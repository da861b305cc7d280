/** What pngjs wants of Node's Buffer; jpeg-js is told to do without. */
class Bytes extends Uint8Array {
  /** Node's slice is a view. */
  override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end) as Uint8Array<ArrayBuffer>;
  }
  copy(target: Uint8Array, at = 0, start = 0, end = this.length): number {
    target.set(this.subarray(start, end), at);
    return end - start;
  }
  readUInt32BE(at: number): number {
    return this.readUInt16BE(at) * 65536 + this.readUInt16BE(at + 2);
  }
  readInt32BE(at: number): number {
    return this.readUInt32BE(at) | 0;
  }
  readUInt16BE(at: number): number {
    return this[at] * 256 + this[at + 1];
  }
}

export const Buffer = {
  alloc: (size: number): Bytes => new Bytes(size),
  from: (values: ArrayBuffer | ArrayLike<number> | string): Bytes =>
    new Bytes((typeof values === 'string' ? new TextEncoder().encode(values) : values) as ArrayBuffer),
  concat(parts: readonly Uint8Array[]): Bytes {
    const all = new Bytes(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  },
};
