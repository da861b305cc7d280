/** SARIF 2.1.0 (OASIS, 2020): a result for each layer that did not pass, the model as its place, the layer in it. */
import { relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import { LABELS } from '../runtime/failures.ts';
import type { VerifyResult } from '../verify/index.ts';
import { version } from '../version.ts';
import type { Difference } from './baseline.ts';
import { type Finding, findings, type Rule, rules } from './findings.ts';
import { measures } from './table.ts';

const SCHEMA = 'https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json';

/** The log as an object. `folder`: paths below it are written relative to it, as code scanning wants them. */
export function sarifLog(result: VerifyResult, difference?: Difference, folder = process.cwd()): object {
  const ids = Object.values(rules).map(({ id }) => id as string);
  const results = findings(result, difference).map((finding) => ({
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
    results,
    properties: { network, device, placement, required, weights, inputSource, verdict },
  };
  return { $schema: SCHEMA, version: '2.1.0', runs: [run] };
}

const descriptors = (): object[] =>
  Object.values<Rule>(rules).map(({ id, level, title, help }) => ({
    id,
    shortDescription: { text: title },
    fullDescription: { text: help },
    help: { text: help },
    defaultConfiguration: { level },
  }));

function messageOf({ layer, message }: Finding, { layers, device, network }: VerifyResult): string {
  const row = layers.find((candidate) => candidate.layer === layer);
  const numbers = row ? measures(row) : '';
  return `${network} on ${LABELS[device]}: ${message}${numbers ? ` (${numbers})` : ''}`;
}

function location(layer: string, { model, network, layers }: VerifyResult, folder: string): object {
  const kind = layers.find((row) => row.layer === layer)?.kind ?? 'layer';
  const logicalLocations = [{ name: layer, fullyQualifiedName: `${network}/${layer}`, kind }];
  if (model === null) return { logicalLocations };
  // a model has no lines; code scanning wants one
  const physicalLocation = { artifactLocation: { uri: uriOf(model, folder) }, region: { startLine: 1 } };
  return { physicalLocation, logicalLocations };
}

/** Relative below the folder, percent-encoded; else a file: URI. */
function uriOf(model: string, folder: string): string {
  // a lone surrogate is in no URI
  const path = model.replace(/\p{Surrogate}/gu, '\ufffd');
  const below = relative(folder, resolve(folder, path));
  if (below.startsWith('..') || resolve(below) === below) return pathToFileURL(resolve(folder, path)).href;
  return below.split(sep).map(encodeURIComponent).join('/');
}
