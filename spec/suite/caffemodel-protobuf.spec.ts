/** A .caffemodel that is written here, read by Google's own protobuf under caffe.proto's field numbers. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { convertWeights } from '../../lib/weights/convert.ts';
import { arraysOf } from '../support/weight-files.ts';

const python = '/usr/bin/python3';
const tiny = fileURLToPath(new URL('../../fixtures/format/weights/tiny.npz', import.meta.url));

/** BVLC/caffe, src/caffe/proto/caffe.proto: NetParameter, LayerParameter, BlobProto, BlobShape. */
const read = `
import json, sys
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
F = descriptor_pb2.FieldDescriptorProto
file = descriptor_pb2.FileDescriptorProto(name='caffe.proto', package='caffe', syntax='proto2')
def message(name, *fields):
    m = file.message_type.add(name=name)
    for number, field, kind, repeated, packed in fields:
        f = m.field.add(name=field, number=number, label=F.LABEL_REPEATED if repeated else F.LABEL_OPTIONAL)
        if isinstance(kind, str): f.type, f.type_name = F.TYPE_MESSAGE, '.caffe.' + kind
        else: f.type = kind
        if packed: f.options.packed = True
message('BlobShape', (1, 'dim', F.TYPE_INT64, True, True))
message('BlobProto', (7, 'shape', 'BlobShape', False, False), (5, 'data', F.TYPE_FLOAT, True, True),
        (8, 'double_data', F.TYPE_DOUBLE, True, True))
message('LayerParameter', (1, 'name', F.TYPE_STRING, False, False), (2, 'type', F.TYPE_STRING, False, False),
        (7, 'blobs', 'BlobProto', True, False))
message('NetParameter', (1, 'name', F.TYPE_STRING, False, False), (100, 'layer', 'LayerParameter', True, False))
pool = descriptor_pool.DescriptorPool()
pool.Add(file)
factory = message_factory.MessageFactory(pool)
net = factory.GetPrototype(pool.FindMessageTypeByName('caffe.NetParameter'))()
net.ParseFromString(open(sys.argv[1], 'rb').read())
out = [net.name, [[l.name, l.type, [[list(b.shape.dim), list(b.data), list(b.double_data)] for b in l.blobs]] for l in net.layer]]
net.DiscardUnknownFields()
print(json.dumps(out + [net.ByteSize()]))
`;

describe('a .caffemodel as Google protobuf reads it', function () {
  this.timeout(180_000);
  it('holds every layer, type, shape and value, and nothing that caffe.proto does not have', async function () {
    if (spawnSync(python, ['-c', 'import google.protobuf']).status !== 0) {
      console.log(`    skipped: ${python} has no protobuf`);
      return this.skip();
    }
    const folder = mkdtempSync(join(tmpdir(), 'caffemodel-'));
    try {
      const path = join(folder, 'w.caffemodel');
      await convertWeights(tiny, path, { network: 'bvlc-alexnet' });
      const { stdout, stderr } = spawnSync(python, ['-c', read, path], {
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
      });
      expect(stderr).to.equal('');
      const [name, layers, size] = JSON.parse(stdout);
      expect(name).to.equal('bvlc-alexnet');
      const arrays = await arraysOf(tiny);
      expect(layers.map(([layer]: [string]) => layer)).to.deep.equal([
        'conv1',
        'conv2',
        'conv3',
        'conv4',
        'conv5',
        'fc6',
        'fc7',
        'fc8',
      ]);
      for (const [layer, type, blobs] of layers) {
        expect(type).to.equal(layer.startsWith('conv') ? 'Convolution' : 'InnerProduct');
        expect(blobs.length).to.equal(2);
        for (const [i, part] of ['weight', 'bias'].entries()) {
          const { shape, data } = arrays.get(`${layer}.${part}`)!;
          const [dims, floats, doubles] = blobs[i];
          expect(dims).to.deep.equal([...shape]);
          expect(floats).to.deep.equal([...data]);
          expect(doubles).to.deep.equal([]);
        }
      }
      expect(size).to.equal(statSync(path).size);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
