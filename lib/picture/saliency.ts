/** Which pixels a class hangs on: the gradient of its score, the logit, by the input; and that times the input. */
import { cast, dense } from '../../reference/tensor.ts';
import { reach } from './colour.ts';
import { legend, mapOf, panel } from './maps.ts';
import { probabilities, run, scoreGradients } from './running.ts';
import { beside, sheetOf } from './sheet.ts';
import { classAsked, type Drawn, type Photo, percent, type Subject } from './subject.ts';

export function saliency(subject: Subject, photo: Photo, asked?: string): Drawn {
  const { network, weights, classes } = subject;
  const running = run(network, weights, cast(photo.input, 'float64'));
  const p = probabilities(running);
  const k = classAsked(asked, p, classes);
  const gradient = dense(scoreGradients(running, k).get('input')!);
  const x = dense(photo.input);
  const [, C, H, W] = photo.input.shape;
  const area = H * W;
  const product = new Float64Array(area);
  const strength = new Float64Array(area);
  for (let i = 0; i < area; i++) {
    for (let at = i; at < C * area; at += area) {
      product[i] += gradient[at] * x[at];
      strength[i] = Math.max(strength[i], Math.abs(gradient[at]));
    }
  }
  const most = [reach(product), reach(strength)];
  const about = [
    `${classes[k]}, ${percent(p[k])}: how its score before softmax hangs on each pixel.`,
    `gradient × input: the sum over the colours; gradient: the largest magnitude. Their roots are what is shown.`,
    `${network.name}, weights: ${subject.source}`,
  ];
  const maps = [
    panel(mapOf(product, [W, H], most[0]), 'gradient × input', legend(most[0])),
    panel(mapOf(strength, [W, H], most[1]), 'gradient', legend(most[1], '', 0)),
  ];
  return {
    facts: {
      class: k,
      name: classes[k],
      probability: p[k],
      shape: [H, W],
      gradientTimesInput: [...product],
      gradient: [...strength],
    },
    sheet: sheetOf('Saliency', about, beside([panel(photo.crop, photo.name), ...maps], 20)),
  };
}
