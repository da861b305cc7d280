/** An evaluation as JSON: docs/json.md. */
import type { Evaluation } from './index.ts';

export function evaluationJson(evaluation: Evaluation) {
  const { data, network, weights, random, device, views, mean, matched, names, count } = evaluation;
  const { failures, top1, topK, loss, classes, confusion, timing } = evaluation;
  return {
    version: 1,
    data,
    network,
    weights,
    random,
    device: device?.device ?? 'oracle',
    views,
    mean,
    matched,
    names,
    count,
    failures,
    top1,
    topK,
    loss,
    classes,
    confusion,
    timing,
  };
}
