/** The tour: a step at a time, with a picture of the running net, our lines that do it, and a question. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { Likeliest } from './answerpage.tsx';
import { Figure } from './figure.tsx';
import { held, type Looking } from './looking.ts';
import type { Scene } from './scene.ts';
import { Source } from './source.tsx';
import { type Question, type Step, steps } from './steps.ts';
import { formatView, type View } from './view.ts';
import { Desk } from './walk.tsx';

/** The layer that a step shows: the first of its kind, or the last. */
function layerOf({ shows }: Step, { network }: Scene): string {
  const { layers } = network;
  if (shows === 'answer') return layers[layers.length - 1].name;
  if (shows === 'last conv2d') return layers.findLast(({ kind }) => kind === 'conv2d')!.name;
  return layers.find(({ kind }) => kind === shows)?.name ?? 'input';
}

export function TourPage({ scene, view: asked, change, ask }: Looking) {
  const at = Math.min(asked.step, steps.length - 1);
  const step = steps[at];
  const view = held(place(step, asked, scene), scene);
  const turn = (to: number, text: string) =>
    steps[to] && (
      <a class="next" href={formatView({ ...asked, step: to })}>
        {text}: {steps[to].title}
      </a>
    );
  const title = useRef<HTMLHeadingElement>(null);
  const last = useRef(at);
  // who goes on reads on, by keyboard too
  useEffect(() => {
    if (last.current !== at) title.current!.focus();
    last.current = at;
  }, [at]);
  return (
    <>
      <div class="tour">
        <article aria-label={`Step ${at + 1} of ${steps.length}`}>
          <p class="hint">
            Step {at + 1} of {steps.length} · section {step.section} of the paper
          </p>
          <h2 ref={title} tabIndex={-1}>
            {step.title}
          </h2>
          {step.text.map((paragraph) => (
            <p key={paragraph}>{paragraph}</p>
          ))}
          {step.here && (
            <p class="here">
              The network on this page, <b>{scene.network.name}</b>, {step.here(scene)}
            </p>
          )}
          {step.more?.map(([page, label]) => (
            <p key={page}>
              <a href={formatView({ ...view, page })}>{label}</a>
            </p>
          ))}
          <Source place={step.source} />
          <Asked key={at} question={step.question} scene={scene} />
          <nav aria-label="Steps" class="turns">
            {turn(at - 1, 'back')}
            {turn(at + 1, 'on')}
          </nav>
        </article>
        <div>
          {step.shows === 'answer' ? (
            <Likeliest probabilities={scene.probabilities} classes={scene.classes} />
          ) : (
            <>
              <h3>
                <a href={formatView({ ...view, page: 'walk' })}>{view.layer}</a> of {scene.network.name}
              </h3>
              <Desk scene={scene} view={view} change={change} ask={ask} />
            </>
          )}
        </div>
      </div>
      <Figure scene={scene} view={{ ...view, page: 'walk' }} />
    </>
  );
}

/** The step's own layer and side. */
const place = (step: Step, view: View, scene: Scene): View => ({
  ...view,
  layer: layerOf(step, scene),
  side: step.side ?? 'value',
});

/** A question with its choices: the one that is taken is said to be right or not, and why. */
function Asked({ question, scene }: { readonly question: Question; readonly scene: Scene }) {
  const [taken, setTaken] = useState(-1);
  const { ask, choices, right, because } = question;
  const good = taken === right(scene);
  return (
    <fieldset class="question">
      <legend>{ask}</legend>
      {choices.map((choice, i) => (
        <label key={choice}>
          <input type="radio" name="question" checked={taken === i} onChange={() => setTaken(i)} />
          {choice}
        </label>
      ))}
      <p role="status" class={good ? 'good' : 'bad'}>
        {taken < 0 ? '\u00a0' : good ? `Right. ${because}` : 'No. Look again, or try another.'}
      </p>
    </fieldset>
  );
}
