/** What the backward half of an emitter is given. Gradients carry the prefix d: dconv1, dconv1.weight. */
export interface Reverse {
  /** The values that the layer read. */
  readonly inputs: readonly string[];
  /** The layer's value, and the gradient of the loss with respect to it. */
  readonly y: string;
  readonly dy: string;
  /** Under which names the gradients of the inputs are wanted; null: not wanted. */
  readonly dx: readonly (string | null)[];
  /** Whether the gradient of this parameter (conv1.weight) is wanted. */
  readonly wants: (parameter: string) => boolean;
}
