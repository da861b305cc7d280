/** One value, forward or backward: where it comes from, to the last bit. */
import type { ComponentChildren } from 'preact';
import type { Palette } from '../../lib/picture/colour.ts';
import type { Judgement } from '../engine/alone.ts';
import type { Side } from '../engine/protocol.ts';
import type { Step } from '../engine/told.ts';
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

/** The three numbers that a value is known by. */
const Numbers = ({ stored, exact, bound }: Judgement & { readonly stored: number }) => (
  <dl class="values">
    {[
      ['stored', 'stored, float32', stored] as const,
      ['exact', 'before it was rounded, float64', exact] as const,
      ['bound', 'a right float32 kernel is within', bound] as const,
    ].map(([id, what, value]) => (
      <div key={id}>
        <dt>{what}</dt>
        <dd>
          <Exact id={id} value={value} />
        </dd>
      </div>
    ))}
  </dl>
);

const Steps = ({ steps }: { readonly steps: readonly Step[] }) =>
  steps.length === 0 ? null : (
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
  );

function Forward({ scene, view, index, ask, change, palette }: Told) {
  const { layer } = view;
  const story = useAnswer(ask, 'story', { layer, index }, `${layer} ${index}`);
  if (!story) return <Card side="value" />;
  return (
    <Card of={story} side="value">
      <h3>How this value came to be</h3>
      <Numbers {...story} />
      {story.kind === 'input' && (
        <p>It is a pixel of the picture, less the mean, divided by the deviation.</p>
      )}
      <Patchwork story={story} palette={palette} />
      <Steps steps={story.steps} />
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
      <Numbers {...gradient} />
      <p>
        A rise of the value by ε changes the loss by ε times that.{' '}
        {gradient.by ? `Through ${gradient.by}: ` : 'Here '}
        {gradient.rule}.
      </p>
      <Steps steps={gradient.steps} />
      <BackwardTerms gradient={gradient} scene={scene} view={view} change={change} />
    </Card>
  );
}
