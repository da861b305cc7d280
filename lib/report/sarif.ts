/** SARIF 2.1.0 (OASIS, 2020): a result for each layer that did not pass, the model as its place, the layer in it. */
import { basename, dirname, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { VerifyResult } from '../verify/index.ts';
import { version } from '../version.ts';
import type { Difference } from './baseline.ts';
import { type Finding, type FindingRule, findingRules, findings } from './findings.ts';
import { deviceText, measures } from './table.ts';

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/** Results that code scanning shows of a run. */
const MOST_RESULTS = 5000;

/** The log as an object. `folder`: paths below it are written relative to it, as code scanning wants them. */
export function sarifLog(result: VerifyResult, difference?: Difference, folder = process.cwd()): object {
  const ids = Object.values(findingRules).map(({ id }) => id as string);
  const results = findings(result, difference)
    .slice(0, MOST_RESULTS)
    .map((finding) => ({
      ruleId: finding.rule.id,
      ruleIndex: ids.indexOf(finding.rule.id),
      level: finding.rule.level,
      message: { text: messageOf(finding, result) },
      locations: [location(finding.layer, result, folder)],
      partialFingerprints: { 'layerAndRule/v1': `${result.network}/${finding.layer}/${finding.rule.id}` },
    }));
  const driver = { name: 'alexnet-oracle', semanticVersion: version, version, rules: descriptors() };
  const { network, device, placement, required, weights, inputSource, verdict } = result;
  const run = {
    tool: { driver },
    invocations: [{ executionSuccessful: true }],
    columnKind: 'utf16CodeUnits',
    ...bases(result, folder),
    results,
    properties: { network, device, placement, required, weights, inputSource, verdict },
  };
  return { $schema: SCHEMA, version: '2.1.0', runs: [run] };
}

const descriptors = (): object[] =>
  Object.values<FindingRule>(findingRules).map(({ id, level, title, help }) => ({
    id,
    shortDescription: { text: title },
    fullDescription: { text: help },
    help: { text: help },
    defaultConfiguration: { level },
  }));

function messageOf({ layer, message }: Finding, result: VerifyResult): string {
  const { layers, network } = result;
  const row = layers.find((candidate) => candidate.layer === layer);
  const numbers = row ? measures(row) : '';
  // brackets before a parenthesis would be a link
  return `${network} on ${deviceText(result)}: ${message}${numbers ? ` (${numbers})` : ''}`.replaceAll(
    '](',
    '] (',
  );
}

/**
 * Code scanning refuses a result without a file, a line and a relative path. A network that was exported for the run
 * stands as the file that `alexnet export` would write; a model elsewhere as its name below the base MODEL.
 */
function location(layer: string, { model, network, layers }: VerifyResult, folder: string): object {
  const kind = layers.find((row) => row.layer === layer)?.kind ?? 'layer';
  const path = model ?? `${network}.onnx`;
  const outside = isOutside(path, folder);
  const uri = uriOf(outside ? basename(path) : relative(folder, resolve(folder, path)));
  return {
    physicalLocation: {
      artifactLocation: { uri, ...(outside && { uriBaseId: 'MODEL' }) },
      region: { startLine: 1 },
    },
    logicalLocations: [{ name: layer, fullyQualifiedName: `${network}/${layer}`, kind }],
  };
}

function isOutside(path: string, folder: string): boolean {
  const below = relative(folder, resolve(folder, path));
  return below.startsWith('..') || resolve(below) === below;
}

/** Percent-encoded; a lone surrogate is in no URI. */
const uriOf = (path: string): string =>
  path
    .replace(/\p{Surrogate}/gu, '\ufffd')
    .split(sep)
    .map(encodeURIComponent)
    .join('/');

/** Where a model outside the folder lies. */
function bases({ model }: VerifyResult, folder: string): object {
  if (model === null || !isOutside(model, folder)) return {};
  const place = dirname(resolve(folder, model.replace(/\p{Surrogate}/gu, '\ufffd')));
  return { originalUriBaseIds: { MODEL: { uri: `${pathToFileURL(place).href}/` } } };
}
