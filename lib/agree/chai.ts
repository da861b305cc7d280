/**
 * A plugin for chai 4 to 6, also in vitest: `expect(tensor).to.agreeWith(oracle, options)`.
 *
 * ```
 * import { use } from 'chai';
 * import agree, { oracleOf } from 'alexnet-oracle/chai';
 * use(agree);
 * expect(y).to.agreeWith(oracleOf(layer, [x], weights));
 * ```
 *
 * @module alexnet-oracle/chai
 */
import { type Actual, type AgreeOptions, disagreement, type Expected } from './agree.ts';

export {
  type Actual,
  type AgreeOptions,
  type Expected,
  type LayerOptions,
  type LayerOracle,
  oracleOf,
  type TensorLike,
  type Tolerance,
} from './agree.ts';

declare global {
  namespace Chai {
    interface Assertion {
      /** Every element within its bound, shapes and types alike; NaN never. Options: see AgreeOptions. */
      agreeWith(oracle: Expected, options?: AgreeOptions): Assertion;
    }
  }
}

/** What the plugin needs of chai, so that chai is not a dependency. */
export interface ChaiLike {
  readonly Assertion: {
    addMethod(name: string, method: (this: AssertionLike, ...args: unknown[]) => void): void;
  };
}

export interface AssertionLike {
  readonly _obj: unknown;
  assert(holds: boolean, message: string, negated: string): void;
}

/** For chai's `use`. */
export default function agree(chai: ChaiLike): void {
  chai.Assertion.addMethod('agreeWith', function (oracle, options) {
    const message = disagreement(
      this._obj as Actual,
      oracle as Expected,
      options as AgreeOptions | undefined,
    );
    this.assert(message === null, message ?? '', 'the tensors agree, which they should not');
  });
}
