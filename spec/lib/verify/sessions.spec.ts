/** The ways in which sessions run a model: which nodes ran tells the level of optimisation. */
import { expect } from 'chai';
import { sessionsOf } from '../../../lib/verify/sessions.ts';
import { f32, graph, info, modelBytes, tensorOf } from '../../support/onnx.ts';

describe('sessions', () => {
  // basic takes a node away that does nothing; extended fuses the two others
  const nodes = [
    { op: 'Identity', inputs: ['x'], outputs: ['i'], name: 'identity' },
    { op: 'Conv', inputs: ['i', 'w'], outputs: ['c'], name: 'conv' },
    { op: 'Relu', inputs: ['c'], outputs: ['y'], name: 'relu' },
  ];
  const port = (name: string) => info(name, 'float32', [1, 1, 2, 2]);
  const bytes = modelBytes(graph(nodes, [port('x')], [port('y')], [tensorOf(f32([2], [1, 1, 1, 1]), 'w')]));
  const source = {
    ...({ device: 'cpu', bytes, foreign: false, outputs: ['y'] } as const),
    names: new Map([['own y', 'y']]),
  };
  const feeds = new Map([['x', f32([1, -2, 3, -4], [1, 1, 2, 2])]]);

  it('each level is onnxruntime’s own', async () => {
    await using provider = await sessionsOf(source, { levels: ['basic', 'extended', 'all'] });
    expect(provider.ways.map(({ graph, level }) => `${graph} ${level}`)).to.deep.equal([
      ...['tapped disabled', 'tapped basic', 'tapped extended', 'tapped all', 'untouched all'],
    ]);
    const ran: Record<string, number> = {};
    for (const way of provider.ways) {
      const { values, placement, unstable } = await provider.run(feeds, way);
      expect([...(values.get('own y')!.data as Float32Array)]).to.deep.equal([2, 0, 6, 0]);
      expect(unstable).to.deep.equal([]);
      ran[`${way.graph} ${way.level}`] = placement!.nodes.length;
    }
    expect(ran).to.deep.include({ 'tapped disabled': 3, 'tapped basic': 2, 'tapped extended': 1 });
  });
});
