/**
 * JUnit XML, as Jenkins, GitLab and most CI systems read it: a test suite for the run, a test case for each layer.
 * A layer that was not tested is skipped, or an error where it is the output, as nothing was shown then.
 */
import type { VerifyResult } from '../verify/index.ts';
import type { LayerRow, RunReport } from '../verify/verification.ts';
import type { Difference } from './baseline.ts';
import { escapeXml } from './escape.ts';
import { deviceText, elementLine, measures, runName, whereText, withText } from './table.ts';

/** The whole file. */
export function junitXml(result: VerifyResult, difference?: Difference): string {
  const lost = new Map(difference?.layers.map((change) => [change.layer, change.lost]));
  const cases = result.layers.map((row) => testcase(row, result, lost.get(row.layer) ?? ''));
  for (const [i, run] of result.runs.entries())
    if (i > 0 || died(run)) cases.push(runCase(run, result.network));
  const gone = difference?.layers.filter(({ now }) => now === null) ?? [];
  for (const { layer, lost: reason } of gone) {
    cases.push({ kind: 'failures', xml: element(layer, result.network, failure('lost-bits', reason, '')) });
  }
  const count = (kind: Case['kind']): number => cases.filter((item) => item.kind === kind).length;
  const counts = `tests="${cases.length}" failures="${count('failures')}" errors="${count('errors')}"`;
  const name = escapeXml(`${result.network} on ${deviceText(result)}`);
  const { model, weights, inputSource, placement, required } = result;
  const properties = Object.entries({ model: model ?? 'exported', weights, inputSource, placement, required })
    .map(([key, value]) => `      <property name="${key}" value="${escapeXml(value)}"/>`)
    .join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="alexnet verify" ${counts}>
  <testsuite name="${name}" ${counts} skipped="${count('skipped')}">
    <properties>
${properties}
    </properties>
${cases.map(({ xml }) => xml).join('\n')}
  </testsuite>
</testsuites>
`;
}

interface Case {
  readonly kind: 'passed' | 'failures' | 'errors' | 'skipped';
  readonly xml: string;
}

function testcase(row: LayerRow, result: VerifyResult, lost: string): Case {
  const { layer, verdict, reason, introduced } = row;
  const measured = measures(row) + withText(row);
  const wrap = (kind: Case['kind'], inside: string): Case => ({
    kind,
    xml: element(layer, result.network, inside),
  });
  if (verdict === 'fail') {
    const worst = (row.details?.worst ?? (introduced?.worst ? [introduced.worst] : [])).map(elementLine);
    return wrap(
      'failures',
      failure('disagreement', reason, [measured, whereText(row), ...worst].filter(Boolean).join('\n')),
    );
  }
  if (lost) return wrap('failures', failure('lost-bits', lost, measured));
  if (verdict === 'untested') {
    const isOutput = row === result.layers.at(-1);
    const told = [reason, withText(row).trim()].filter(Boolean).join(', ');
    const tag = isOutput ? `<error type="untested" message="${escapeXml(told)}"/>` : skipped(told);
    return wrap(isOutput ? 'errors' : 'skipped', tag);
  }
  const note = reason ? `${verdict}: ${reason}\n${measured}` : measured;
  return wrap('passed', `<system-out>${escapeXml(note)}</system-out>`);
}

const died = ({ verdict, first }: RunReport): boolean => verdict === 'fail' && first === null;

/** The optimised runs; of the one that is not the layers' test cases tell, unless onnxruntime died in it. */
function runCase(run: RunReport, network: string): Case {
  const { verdict, reason, first } = run;
  const failed = verdict === 'fail';
  const text = first === null ? reason : `${first}: ${reason}`;
  const inside = failed
    ? failure(died(run) ? 'engine-died' : 'optimised', text, '')
    : `<system-out>${escapeXml(reason ? `${verdict}: ${text}` : 'agrees')}</system-out>`;
  return { kind: failed ? 'failures' : 'passed', xml: element(`run ${runName(run)}`, network, inside) };
}

const element = (layer: string, network: string, inside: string): string =>
  `    <testcase classname="${escapeXml(network)}" name="${escapeXml(layer)}">\n      ${inside}\n    </testcase>`;

const skipped = (reason: string): string => `<skipped message="${escapeXml(reason)}"/>`;

const failure = (type: string, message: string, text: string): string =>
  `<failure type="${type}" message="${escapeXml(message)}">${escapeXml(text)}</failure>`;
