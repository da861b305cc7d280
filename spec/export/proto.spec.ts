import fs from 'node:fs';
import { expect } from 'chai';
import onnxProto from 'onnx-proto';
import { dataTypeName, dataTypes } from '../../export/dtypes.ts';
import { toFloat16 } from '../../export/float16.ts';
import * as proto from '../../export/proto.ts';
import { fields, header } from '../../export/wire.ts';
import { widened } from '../../lib/array/value.ts';
import { valueOfTensor } from '../../lib/format/tensorproto.ts';

const folder = new URL('../../fixtures/export/proto/', import.meta.url);
const read = (name: string): Uint8Array => fs.readFileSync(new URL(name, folder));
const expected = JSON.parse(fs.readFileSync(new URL('expected.json', folder), 'utf8'));

const bytes = (...parts: (Uint8Array | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => Uint8Array.from(part)));
const field = (number: number, content: Uint8Array): Uint8Array =>
  bytes(header(number, content.length), content);

const valuesOf = (tensor: proto.TensorProto) => widened(valueOfTensor(tensor)).data;

/** NumPy's name of what ONNX calls FLOAT or DOUBLE. */
const named = (type: string) => ({ FLOAT: 'float32', DOUBLE: 'float64' })[type] ?? type.toLowerCase();

const types = Object.keys(expected).filter((name) => name !== 'narrowing');

describe('export/proto', () => {
  for (const type of types) {
    for (const form of ['raw', 'typed']) {
      it(`reads ${type} that Python's onnx wrote in ${form} form`, () => {
        const tensor = proto.decodeTensor(read(`${type}-${form}.pb`));
        expect(dataTypeName(tensor.dataType)).to.equal(named(type));
        if (type.startsWith('COMPLEX'))
          return void expect(() => valuesOf(tensor)).to.throw(/are not supported/);
        const text = (value: number | bigint | string) => (Object.is(value, -0) ? '-0' : String(value));
        expect(Array.from(valuesOf(tensor) as Iterable<number | bigint>, text)).to.deep.equal(
          expected[type].map(text),
        );
      });
    }
  }

  it('writes back what it read, byte for byte for tensors and equal for models', () => {
    for (const type of types) {
      for (const form of ['raw', 'typed']) {
        const file = read(`${type}-${form}.pb`);
        const tensor = proto.decodeTensor(file);
        expect(proto.decodeTensor(proto.encodeTensor(tensor)), type).to.deep.equal(tensor);
      }
    }
    const model = proto.decodeModel(read('attributes.onnx'));
    expect(proto.decodeModel(proto.encodeModel(model))).to.deep.equal(model);
  });

  it('gives attributes, dims and versions as numbers and texts', () => {
    const model = proto.decodeModel(read('attributes.onnx'));
    expect(model.irVersion).to.equal(7);
    expect(model.opsetImport).to.deep.equal([
      { domain: '', version: 13 },
      { domain: 'here', version: 1 },
    ]);
    expect(model.metadataProps).to.deep.equal([{ key: 'k', value: 'v' }]);
    const [node] = model.graph!.node;
    const named = new Map(node.attribute.map((a) => [a.name, a]));
    expect(named.get('i')!.i).to.equal(-3);
    expect(named.get('ints')!.ints).to.deep.equal([1, 2 ** 63, -(2 ** 63)]);
    expect(named.get('f')!.f).to.equal(0.5);
    expect(Buffer.from(named.get('s')!.s!).toString()).to.equal('text');
    expect(named.get('g')!.g!.node[0].opType).to.equal('Identity');
    expect(valuesOf(named.get('t')!.t!)).to.deep.equal(BigInt64Array.of(1n, -1n));
    expect(named.get('g')!.type).to.equal(proto.attributeTypes.GRAPH);
    expect(model.graph!.input[0].type!.tensorType!.shape!.dim).to.deep.equal([
      { dimParam: 'N' },
      { dimValue: 3 },
    ]);
  });

  it('does not copy raw data', () => {
    const raw = new Uint8Array(4096).fill(7);
    const file = proto.encodeTensor({ dims: [4096], dataType: dataTypes.uint8, rawData: raw });
    const tensor = proto.decodeTensor(file);
    expect(tensor.rawData!.buffer).to.equal(file.buffer);
    file[file.length - 1] = 9;
    expect(valuesOf(tensor)[4095]).to.equal(9);
  });

  it('copies raw data that lies at an odd address', () => {
    for (let shift = 0; shift < 8; shift++) {
      const data = new Uint8Array(24);
      data.set(new Uint8Array(Float64Array.of(1, 2).buffer), shift);
      const rawData = data.subarray(shift, shift + 16);
      const tensor = proto.tensorProto({ dims: [2], dataType: dataTypes.float64, rawData });
      expect([...valuesOf(tensor)]).to.deep.equal([1, 2]);
    }
  });

  it('refuses tensors whose values are too many, too few, elsewhere or no numbers', () => {
    const FLOAT = dataTypes.float32;
    const refused = (fields: Partial<proto.TensorProto>, reason: RegExp) =>
      expect(() =>
        valuesOf(proto.tensorProto({ name: 't', dims: [2], dataType: FLOAT, ...fields })),
      ).to.throw(reason);
    refused({ rawData: new Uint8Array(7) }, /^tensor 't': shape \[2\] needs 8 bytes \(there are 7\)$/);
    refused({ rawData: new Uint8Array(12) }, /needs 8 bytes \(there are 12\)/);
    refused({ floatData: [1] }, /needs 2 values \(there are 1\)/);
    refused({}, /needs 2 values \(there are 0\)/);
    refused({ dims: [-1, -2], floatData: [1, 2] }, /makes no sense/);
    refused({ dims: [2 ** 40, 2 ** 40], floatData: [1, 2] }, /makes no sense/);
    refused({ dataLocation: 1 }, /external file/);
    refused({ dataType: dataTypes.string }, /needs 2 strings \(there are 0\)/);
    refused({ dataType: 99 }, /elements of type 99 are not supported/);
  });

  it('rounds to float16 as numpy does', () => {
    const { float32, float16 } = expected.narrowing;
    expect([...toFloat16(float32)]).to.deep.equal(float16);
  });

  it('refuses graphs nested thousands deep in one line, without overflowing the stack', () => {
    let graph = new Uint8Array(0) as Uint8Array;
    for (let depth = 0; depth < 4000; depth++) graph = field(1, field(5, field(6, graph)));
    const bomb = field(7, graph);
    expect(bomb.length).to.be.below(60_000);
    expect(() => proto.decodeModel(bomb)).to.throw(
      /^not a valid protobuf file: messages nested deeper than 64/,
    );
    let type = new Uint8Array(0) as Uint8Array;
    for (let depth = 0; depth < 4000; depth++) type = field(4, field(1, type));
    expect(() => proto.decodeModel(field(7, field(11, field(2, type))))).to.throw(/nested deeper/);
  });

  it('refuses a graph given twice, of which onnx-proto would take one and onnxruntime both', () => {
    const graph = field(7, field(2, Buffer.from('g')));
    expect(() => proto.decodeModel(bytes(graph, graph))).to.throw(/field 7 occurs twice/);
  });

  it('refuses lists that would fill the memory', () => {
    const dims = field(5, field(1, new Uint8Array(9_000_000)));
    expect(() => proto.decodeModel(field(7, dims))).to.throw(/more than 8000000 fields and integers/);
    const nodes = new Uint8Array(18_000_000).map((_, i) => (i % 2 === 0 ? 10 : 0));
    expect(() => proto.decodeModel(field(7, nodes))).to.throw(/more than 8000000 fields/);
  });

  it('answers every truncation and every corrupted byte of a model with a model or with one line', () => {
    const file = read('attributes.onnx');
    for (let end = 0; end < file.length; end++) {
      try {
        proto.decodeModel(file.subarray(0, end));
      } catch (error) {
        expect((error as Error).message).to.match(/^not a valid protobuf file: [^\n]+$/);
      }
    }
    for (let at = 0; at < file.length; at++) {
      for (const flip of [1, 0x80, 0xff]) {
        const broken = Uint8Array.from(file);
        broken[at] ^= flip;
        try {
          proto.decodeModel(broken);
        } catch (error) {
          expect((error as Error).message).to.match(/^not a valid protobuf file: [^\n]+$/);
        }
      }
    }
  });

  it('refuses a message that runs past the one it lies in', () => {
    const node = bytes([0x0a, 5], [0x0a, 1, 120]);
    const graph = field(7, node);
    expect(() => proto.decodeModel(bytes(graph, field(2, Buffer.from('producer'))))).to.throw(
      /a field of 5 bytes where 3 are left/,
    );
  });

  it('refuses text, an empty group and a length beyond the end', () => {
    for (const bad of [Buffer.from('<html>'), bytes([0x0b, 0x0c]), bytes([0x3a, 0xff, 0xff, 0xff, 0x7f])]) {
      expect(() => proto.decodeModel(bad)).to.throw(/^not a valid protobuf file/);
    }
  });

  it('numbers the types as onnx.proto does', () => {
    const own = Object.entries(dataTypes).map(([name, number]) => [number, name]);
    const { DataType } = onnxProto.onnx.TensorProto;
    const theirs = Object.entries(DataType).flatMap(([name, number]) =>
      typeof number === 'number' && number > 0 && number <= 16 ? [[number, named(name)]] : [],
    );
    expect(own).to.deep.equal(theirs);
  });

  it('gives integers beyond 2⁵³ with their sign, the largest too', () => {
    const values = [-(2 ** 62), 2 ** 62, -(2 ** 63)];
    const attribute = { name: 'a', type: 7, ints: values };
    const node = { opType: 'X', input: [], output: ['y'], attribute: [attribute] };
    const model = proto.encodeModel({
      irVersion: 8,
      opsetImport: [],
      graph: { name: 'g', node: [node] },
    } as never);
    expect(proto.decodeModel(model).graph!.node[0].attribute[0].ints).to.deep.equal(values);
  });

  it('reads a field whose head lies across the end of what is read at a time', () => {
    // 65,536 bytes at a time: the second field's length of three bytes begins at the last of them
    const first = new Uint8Array(65_535 - 4);
    const second = new Uint8Array(70_000).fill(7);
    const whole = bytes(field(1, first), field(2, second), field(3, Uint8Array.of(1)));
    const source = { size: whole.length, read: (at: number, n: number) => whole.slice(at, at + n) };
    const found = [...fields(source)].map(({ number, start, end }) => [number, start, end - start]);
    expect(found).to.deep.equal([
      [1, 4, first.length],
      [2, 65_535 + 4, second.length],
      [3, 65_535 + 4 + second.length + 2, 1],
    ]);
  });
});
