/** What layer is looked at, in words and numbers; the way to its neighbours; its values or their gradients. */

import { ClassChoice } from './classchoice.tsx';
import type { Scene } from './scene.ts';
import { type Change, formatView, type View } from './view.ts';
import { words } from './words.ts';

const thousands = (n: number): string => n.toLocaleString('en');

export function LayerBar({ scene, view, change }: { scene: Scene; view: View; change: Change }) {
  const { network, shapes, sizes, classes } = scene;
  const names = ['input', ...network.layers.map(({ name }) => name)];
  const at = names.indexOf(view.layer);
  const layer = network.layers.find(({ name }) => name === view.layer);
  const size = sizes.get(view.layer);
  const link = (name: string | undefined, text: string, label: string) =>
    name === undefined ? (
      <span class="turn" aria-hidden="true">
        {text}
      </span>
    ) : (
      <a
        class="turn"
        href={formatView({ ...view, layer: name, map: 0, row: 0, column: 0 })}
        aria-label={`${label}: ${name}`}
      >
        {text}
      </a>
    );
  return (
    <section class="bar" aria-label="The layer">
      <div class="title">
        {link(names[at - 1], '←', 'the layer before')}
        <h2>{view.layer}</h2>
        {link(names[at + 1], '→', 'the next layer')}
      </div>
      <p class="says">{words(layer)}</p>
      <dl class="facts">
        <div>
          <dt>output</dt>
          <dd>{shapes.get(view.layer)!.slice(1).join(' × ')}</dd>
        </div>
        <div>
          <dt>parameters</dt>
          <dd>{thousands(size?.parameters ?? 0)}</dd>
        </div>
        <div>
          <dt>multiply-adds</dt>
          <dd>{thousands(size?.macs ?? 0)}</dd>
        </div>
      </dl>
      <fieldset class="sides">
        <legend>What is shown</legend>
        {(['value', 'gradient'] as const).map((side) => (
          <label key={side}>
            <input type="radio" name="side" checked={view.side === side} onChange={() => change({ side })} />
            {side === 'value' ? 'forward: values' : 'backward: gradients'}
          </label>
        ))}
        <span class={view.side === 'gradient' ? 'of' : 'of hidden'}>
          of the loss of <ClassChoice classes={classes} k={view.k} change={change} />
        </span>
      </fieldset>
    </section>
  );
}
