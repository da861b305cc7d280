/** The page: its head, the way to its five parts, and the part that is looked at. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { Start } from '../../lib/explain/start.ts';
import type { Seen } from '../engine/protocol.ts';
import { AnswerPage } from './answerpage.tsx';
import { DoubtPage } from './doubtpage.tsx';
import { chosen, useDrop } from './drop.ts';
import { InputPage } from './inputpage.tsx';
import type { Looking } from './looking.ts';
import { type Scene, sceneOf } from './scene.ts';
import { givenNetwork, givenPhoto } from './start.ts';
import { TourPage } from './tourpage.tsx';
import { formatView, type Page, useView } from './view.ts';
import { Walk } from './walk.tsx';
import type { Ask } from './worker.ts';

const parts: readonly (readonly [Page, string])[] = [
  ['tour', 'Tour'],
  ['walk', 'Walk through'],
  ['input', 'From photo to input'],
  ['answer', 'The answer'],
  ['doubt', 'Doubt'],
];

/** Opens the network and shows it the photo. */
async function begin(start: Start, ask: Ask): Promise<Seen> {
  await ask('open', await givenNetwork(start));
  return ask('see', await givenPhoto(start));
}

export function App({ start, ask }: { readonly start: Start; readonly ask: Ask }) {
  const [view, change] = useView();
  const [scene, setScene] = useState<Scene>();
  const [error, setError] = useState('');
  const look = (name: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> =>
    ask('see', { name, bytes }).then(
      (seen) => {
        setError('');
        setScene(sceneOf(start, seen));
      },
      (reason: Error) => setError(reason.message),
    );
  const dragged = useDrop(look);
  useEffect(() => {
    begin(start, ask).then(
      (seen) => setScene(sceneOf(start, seen)),
      (reason: Error) => setError(reason.message),
    );
  }, [start, ask]);
  return (
    <>
      <header class="head">
        <h1>AlexNet, seen and doubted</h1>
        <nav aria-label="Parts of the page">
          {parts.map(([page, title]) => (
            <a
              key={page}
              href={formatView({ ...view, page })}
              aria-current={view.page === page ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
      </header>
      <p class="about">
        <b>{start.network.name}</b>: {start.network.title}. Weights: {start.source}
        {start.random && ', which are random, so its answers mean nothing'}. Everything is computed here, by
        the oracle itself; nothing leaves this page.
      </p>
      <p class={dragged ? 'drop over' : 'drop'}>
        <label>
          Drop a photo on the page, or{' '}
          <input type="file" accept="image/png,image/jpeg" onChange={chosen(look)} />
        </label>
      </p>
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      <main>
        {scene ? <Part {...{ scene, view, change, ask }} /> : <p class="wait">{error ? '' : 'Computing…'}</p>}
      </main>
    </>
  );
}

const partOf: Readonly<Record<Page, ComponentType<Looking>>> = {
  tour: TourPage,
  walk: Walk,
  input: InputPage,
  answer: AnswerPage,
  doubt: DoubtPage,
};

function Part(looking: Looking) {
  const Shown = partOf[looking.view.page];
  // another photo begins anew: nothing of the last one stays
  return <Shown key={looking.scene.photo} {...looking} />;
}
