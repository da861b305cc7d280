import { expect } from 'chai';
import { sinceBaseline } from '../../../lib/report/baseline.ts';
import { escapeXml } from '../../../lib/report/escape.ts';
import { annotations, stepSummary } from '../../../lib/report/github.ts';
import { junitXml } from '../../../lib/report/junit.ts';
import { sarifLog } from '../../../lib/report/sarif.ts';
import { comparison, failed, HOSTILE, row, verification } from '../../support/verification.ts';

const mixed = verification([
  row('conv1'),
  failed('norm1', '3 of 100 values beyond the bound'),
  row('pool1', { verdict: 'fail', reason: 'stride 3, not 2', introduced: null, accumulated: null }),
  row('fc6', { verdict: 'fail', reason: '11.2 effective bits', introduced: comparison({ bits: 11.2 }) }),
  row('fc7', { verdict: 'fail', reason: 'constant on the device' }),
  row('fc8', { verdict: 'suspicious', reason: '1.2 times what rounding errors should add up to' }),
  row('prob', { verdict: 'untested', reason: 'constant in the oracle (0.1)' }),
]);
const hostile = verification([failed(HOSTILE, HOSTILE), row('prob')], {
  network: HOSTILE,
  model: HOSTILE,
  weights: HOSTILE,
  inputSource: HOSTILE,
});

// biome-ignore lint/suspicious/noExplicitAny: a log is read as its consumers read it
const sarif = (result = mixed): any => JSON.parse(JSON.stringify(sarifLog(result, undefined, '/repo')));

describe('JUnit XML', () => {
  it('has a test case for each layer, and counts what failed, was an error or skipped', () => {
    const xml = junitXml(mixed);
    expect(xml.match(/<testcase /g)).to.have.lengthOf(7);
    expect(xml).to.include('tests="7" failures="4" errors="1" skipped="0"');
    expect(xml).to.match(/name="norm1">\s*<failure type="disagreement" message="3 of 100 values beyond/);
    expect(xml).to.match(/name="prob">\s*<error type="untested"/);
  });

  it('has a test case for each optimised run', () => {
    const xml = junitXml(optimisedOnly);
    expect(xml).to.include('tests="4" failures="2"');
    expect(xml).to.match(
      /name="run untouched, optimised">\s*<failure type="optimised" message="relu1: fused"/,
    );
  });

  it('a layer in the middle that was not tested is skipped', () => {
    const xml = junitXml(
      verification([row('conv1', { verdict: 'untested', reason: 'constant' }), row('prob')]),
    );
    expect(xml).to.include('failures="0" errors="0" skipped="1"');
    expect(xml).to.match(/name="conv1">\s*<skipped message="constant"\/>/);
  });

  it('bits lost since the baseline are failures', () => {
    const measure = { verdict: 'pass', bits: 24, overBound: 0.25 } as const;
    const before = { measure, shape: '96×55×55', share: 1 };
    const layers = new Map([
      ['conv1', before],
      ['conv0', before],
    ]);
    const baseline = { file: 'b.json', network: 'bvlc-alexnet', device: 'cpu', versions: {}, layers };
    const now = verification([row('conv1')]);
    const xml = junitXml(now, sinceBaseline(baseline, now));
    expect(xml).to.match(/name="conv1">\s*<failure type="lost-bits" message="22.0 effective bits, 24.0 in/);
    expect(xml).to.match(/name="conv0">\s*<failure type="lost-bits" message="no longer compared"/);
    expect(xml).to.include('tests="2" failures="2"');
  });

  it('escapes what names hold, and what XML cannot hold is made visible', () => {
    expect(escapeXml(`<a b="c">&'\n`)).to.equal('&lt;a b=&quot;c&quot;&gt;&amp;&#39;&#10;');
    expect(escapeXml('\0\u001b\ud800x\ud83d\ude00\uffff')).to.equal('\\u0000\\u001b\ufffdx😀\ufffd');
    for (const never of ['<script', ']]>', '\0', '\u001b']) expect(junitXml(hostile)).not.to.include(never);
  });
});

/** Layers that agree, and runs of which these do not. */
const optimisedOnly = verification([row('conv1'), row('relu1')], {
  verdict: 'fail',
  first: 'relu1',
  runs: [
    {
      graph: 'tapped',
      optimised: false,
      level: 'disabled',
      verdict: 'pass',
      reason: '',
      first: null,
      unstable: [],
    },
    {
      graph: 'tapped',
      optimised: true,
      level: 'all',
      verdict: 'fail',
      reason: 'fused',
      first: 'relu1',
      unstable: [],
    },
    {
      graph: 'untouched',
      optimised: true,
      level: 'all',
      verdict: 'fail',
      reason: 'fused',
      first: 'relu1',
      unstable: [],
    },
  ],
});

describe('SARIF', () => {
  it('has a result for each layer that did not pass, with the rule that names why', () => {
    const { version, runs } = sarif();
    expect(version).to.equal('2.1.0');
    const { results, tool } = runs[0];
    const found = results.map((result: { ruleId: string }) => result.ruleId);
    expect(found).to.deep.equal([
      'beyond-bound',
      'not-comparable',
      'too-few-bits',
      'constant-on-device',
      'beyond-expectation',
      'untested',
    ]);
    for (const { ruleId, ruleIndex, level } of results) {
      const rule = tool.driver.rules[ruleIndex];
      expect(rule.id).to.equal(ruleId);
      expect(rule.defaultConfiguration.level).to.equal(level);
      expect(rule.help.text).to.have.length.above(50);
    }
  });

  it('places a result in the model and in its layer; a path is a relative URI', () => {
    const [result] = sarif().runs[0].results;
    expect(result.locations[0].physicalLocation.artifactLocation.uri).to.equal('models/alexnet.onnx');
    expect(result.locations[0].logicalLocations).to.deep.equal([
      { name: 'norm1', fullyQualifiedName: 'bvlc-alexnet/norm1', kind: 'conv2d' },
    ]);
    const outside = sarif(verification([failed('a', 'b')], { model: '/else/mo del.onnx' })).runs[0].results;
    const [run] = sarif(verification([failed('a', 'b')], { model: '/else/mo del.onnx' })).runs;
    expect(outside[0].locations[0].physicalLocation.artifactLocation).to.deep.equal({
      uri: 'mo%20del.onnx',
      uriBaseId: 'MODEL',
    });
    expect(run.originalUriBaseIds).to.deep.equal({ MODEL: { uri: 'file:///else/' } });
  });

  it('what is wrong only when optimised is found once, and what is not repeatable', () => {
    const [{ results }] = sarif(optimisedOnly).runs;
    expect(results.map((result: { ruleId: string }) => result.ruleId)).to.deep.equal(['only-optimised']);
    expect(results[0].message.text).to.include('relu1: tapped, optimised: fused');
    const unstable = verification([row('conv1')], {
      runs: [
        {
          graph: 'tapped',
          optimised: false,
          level: 'disabled',
          verdict: 'suspicious',
          reason: 'x',
          first: null,
          unstable: ['conv1'],
        },
      ],
    });
    expect(sarif(unstable).runs[0].results[0]).to.include({ ruleId: 'not-repeatable', level: 'warning' });
    const both = { ...optimisedOnly, layers: [failed('conv1', 'wrong'), row('relu1')] };
    expect(sarif(both).runs[0].results).to.have.lengthOf(1);
  });

  it('every result has what code scanning asks for, and one that passes is none', () => {
    for (const model of [null, 'models/a.onnx', '/else/b.onnx', HOSTILE]) {
      const { results, tool } = sarif({ ...mixed, model }).runs[0];
      for (const { ruleId, message, locations, partialFingerprints } of results) {
        expect(tool.driver.rules.map(({ id }: { id: string }) => id)).to.include(ruleId);
        expect(message.text).to.be.a('string').and.not.equal('');
        const { artifactLocation, region } = locations[0].physicalLocation;
        expect(artifactLocation.uri).to.match(/^(?![/.])[\w.~%!*'()/-]+$/);
        expect(region.startLine).to.be.at.least(1);
        expect(Object.keys(partialFingerprints)).to.have.lengthOf(1);
      }
    }
    expect(sarif(verification([row('conv1')])).runs[0].results).to.deep.equal([]);
  });

  it('a hostile path becomes a URI without a character that a URI cannot hold', () => {
    const [result] = sarif(hostile).runs[0].results;
    expect(result.locations[0].physicalLocation.artifactLocation.uri).to.match(/^[\w.~%!*'()/:-]+$/);
  });
});

describe('GitHub', () => {
  it('the summary begins with the verdict and lists what did not pass', () => {
    const text = stepSummary(mixed);
    expect(text).to.match(/^### ❌ alexnet verify: FAIL/);
    expect(text).to.include('- norm1\\: 3 of 100 values beyond the bound');
    expect(stepSummary(verification([row('conv1')]))).to.match(/^### ✅ alexnet verify: PASS/);
  });

  it('hostile names stay in their table cells and make no markup', () => {
    const text = stepSummary(hostile);
    expect(text).not.to.match(/<script|<\/testcase/);
    for (const line of text.split('\n').filter((candidate) => candidate.startsWith('| ❌'))) {
      expect(line.match(/(?<!\\)\|/g)).to.have.lengthOf(7);
    }
  });

  it('a graph of ten thousand nodes, all wrong, keeps within what GitHub takes', () => {
    const name = 'a/rather/long/name/of/a/node'.repeat(3);
    const rows = Array.from({ length: 10_000 }, (_, i) => failed(`${name}${i}`, 'beyond the bound'));
    const many = verification(rows);
    expect(Buffer.byteLength(stepSummary(many))).to.be.below(2 ** 20);
    expect(annotations(many)).to.have.lengthOf(10);
  });

  it('annotations are one line each, whatever the names hold', () => {
    const lines = annotations(hostile);
    expect(lines).to.have.lengthOf(1);
    expect(lines[0]).to.match(/^::error file=[^,:\n]+,title=[^,:\n]+::/);
    expect(lines[0]).not.to.match(/[\r\n]/);
    expect(annotations(mixed).map((line) => line.slice(0, 9))).to.deep.equal([
      '::error f',
      '::error f',
      '::error f',
      '::error f',
      '::warning',
      '::notice ',
    ]);
  });
});
