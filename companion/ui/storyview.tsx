/** One value, forward or backward: where it comes from, to the last bit. */
import type { ComponentChildren } from 'preact';
import type { Palette } from '../../lib/picture/colour.ts';
import type { Side } from '../engine/protocol.ts';
import { useAnswer } from './answer.ts';
import { Patchwork } from './patchwork.tsx';
import type { Scene } from './scene.ts';
import { BackwardTerms, ForwardTerms } from './terms.tsx';
import type { Change, View } from './view.ts';
import type { Ask } from './worker.ts';

export interface Told {
  readonly scene: Scene;
  readonly view: View;
  readonly index: number;
  readonly ask: Ask;
  readonly change: Change;
  readonly palette: Palette;
}

export const StoryView = (told: Told) =>
  told.view.side === 'value' ? <Forward {...told} /> : <Backward {...told} />;

interface Card {
  /** What is told, once it is known. */
  readonly of?: { readonly layer: string; readonly index: number };
  readonly side: Side;
  readonly children?: ComponentChildren;
}

/** Where the story stands: there from the beginning, so that nothing moves when it comes. */
const Card = ({ of, side, children }: Card) => (
  <section class="story" aria-label="The value" data-of={of && `${of.layer} ${side}`} data-index={of?.index}>
    {children}
  </section>
);

/** A number with all its digits. */
const Exact = ({ value, id }: { readonly value: number; readonly id?: string }) => (
  <data class="number" id={id} value={value}>
    {String(value)}
  </data>
);

function Forward({ scene, view, index, ask, change, palette }: Told) {
  const { layer } = view;
  const story = useAnswer(ask, 'story', { layer, index }, `${layer} ${index}`);
  if (!story) return <Card side="value" />;
  const { stored, exact, bound, steps, kind } = story;
  return (
    <Card of={story} side="value">
      <h3>How this value came to be</h3>
      <dl class="values">
        <div>
          <dt>stored, float32</dt>
          <dd>
            <Exact id="stored" value={stored} />
          </dd>
        </div>
        <div>
          <dt>before it was rounded, float64</dt>
          <dd>
            <Exact id="exact" value={exact} />
          </dd>
        </div>
        <div>
          <dt>a right float32 kernel is within</dt>
          <dd>
            <Exact id="bound" value={bound} />
          </dd>
        </div>
      </dl>
      {kind === 'input' && <p>It is a pixel of the picture, less the mean, divided by the deviation.</p>}
      <Patchwork story={story} palette={palette} />
      {steps.length > 0 && (
        <table class="steps">
          <caption>The steps</caption>
          <tbody>
            {steps.map(({ what, value }) => (
              <tr key={what}>
                <th scope="row">{what}</th>
                <td>
                  <Exact value={value} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <ForwardTerms story={story} scene={scene} view={view} change={change} />
    </Card>
  );
}

function Backward({ scene, view, index, ask, change }: Told) {
  const { layer, k } = view;
  const gradient = useAnswer(ask, 'gradient', { layer, index, k }, `${layer} ${index} ${k}`);
  if (!gradient) return <Card side="gradient" />;
  return (
    <Card of={gradient} side="gradient">
      <h3>How its gradient came to be</h3>
      <dl class="values">
        <div>
          <dt>stored, float32</dt>
          <dd>
            <Exact id="stored" value={gradient.stored} />
          </dd>
        </div>
        <div>
          <dt>it means</dt>
          <dd>a rise of the value by ε changes the loss by ε times that</dd>
        </div>
      </dl>
      <p>
        {gradient.by ? `Through ${gradient.by}: ` : ''}
        {gradient.rule}.
      </p>
      <BackwardTerms gradient={gradient} scene={scene} view={view} change={change} />
    </Card>
  );
}
