/** Every emitter, forward and backward, by the name of its operation in reference/ops. */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { GraphBuilder } from '../graph.ts';
import * as adaptiveavgpool from './adaptiveavgpool.ts';
import * as avgpool from './avgpool.ts';
import * as concat from './concat.ts';
import * as conv2d from './conv2d.ts';
import * as dropout from './dropout.ts';
import * as flatten from './flatten.ts';
import * as linear from './linear.ts';
import * as lrn from './lrn.ts';
import * as mapnorm from './mapnorm.ts';
import * as maxpool from './maxpool.ts';
import * as relu from './relu.ts';
import type { Reverse } from './reverse.ts';
import * as sigmoid from './sigmoid.ts';
import * as softmax from './softmax.ts';
import * as split from './split.ts';
import * as tanh from './tanh.ts';

/** Adds a layer's nodes; its value is called as the layer. Throws where ONNX cannot say what the layer does. */
export function emitLayer(
  g: GraphBuilder,
  layer: Layer,
  inputs: readonly string[],
  weights: Weights,
): string {
  switch (layer.kind) {
    case 'adaptiveavgpool':
      return adaptiveavgpool.emit(g, layer, inputs);
    case 'avgpool':
      return avgpool.emit(g, layer, inputs);
    case 'concat':
      return concat.emit(g, layer, inputs);
    case 'conv2d':
      return conv2d.emit(g, layer, inputs, weights);
    case 'dropout':
      return dropout.emit(g, layer, inputs);
    case 'flatten':
      return flatten.emit(g, layer, inputs);
    case 'linear':
      return linear.emit(g, layer, inputs, weights);
    case 'lrn':
      return lrn.emit(g, layer, inputs);
    case 'mapnorm':
      return mapnorm.emit(g, layer, inputs);
    case 'maxpool':
      return maxpool.emit(g, layer, inputs);
    case 'relu':
      return relu.emit(g, layer, inputs);
    case 'sigmoid':
      return sigmoid.emit(g, layer, inputs);
    case 'softmax':
      return softmax.emit(g, layer, inputs);
    case 'split':
      return split.emit(g, layer, inputs);
    case 'tanh':
      return tanh.emit(g, layer, inputs);
  }
}

/** As emitLayer, for a graph that is trained: dropout takes masks, and max-pooling leaves what its backward needs. */
export function emitTrainingLayer(
  g: GraphBuilder,
  layer: Layer,
  inputs: readonly string[],
  masked: boolean,
): string {
  if (layer.kind === 'dropout') return dropout.emitTraining(g, layer, inputs, masked);
  if (layer.kind === 'maxpool') return maxpool.emitTraining(g, layer, inputs);
  if (layer.kind === 'conv2d') return conv2d.emitTraining(g, layer, inputs);
  return emitLayer(g, layer, inputs, new Map());
}

/** Adds the gradients of a layer's inputs and parameters, under the names that `reverse` gives. */
export function emitBackward(g: GraphBuilder, layer: Layer, reverse: Reverse): void {
  switch (layer.kind) {
    case 'adaptiveavgpool':
      adaptiveavgpool.backward(g, layer, reverse);
      break;
    case 'avgpool':
      avgpool.backward(g, layer, reverse);
      break;
    case 'concat':
      concat.backward(g, reverse);
      break;
    case 'conv2d':
      conv2d.backward(g, layer, reverse);
      break;
    case 'dropout':
      dropout.backward(g, layer, reverse);
      break;
    case 'flatten':
      flatten.backward(g, layer, reverse);
      break;
    case 'linear':
      linear.backward(g, layer, reverse);
      break;
    case 'lrn':
      lrn.backward(g, layer, reverse);
      break;
    case 'mapnorm':
      mapnorm.backward(g, layer, reverse);
      break;
    case 'maxpool':
      maxpool.backward(g, layer, reverse);
      break;
    case 'relu':
      relu.backward(g, reverse);
      break;
    case 'sigmoid':
      sigmoid.backward(g, reverse);
      break;
    case 'softmax':
      softmax.backward(g, reverse);
      break;
    case 'split':
      split.backward(g, layer, reverse);
      break;
    case 'tanh':
      tanh.backward(g, reverse);
      break;
  }
}
