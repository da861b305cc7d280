/** The page: its head, the way to its five parts, and the part that is looked at. */
import type { ComponentType } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Start } from '../../lib/explain/start.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Seen, Taken } from '../engine/protocol.ts';
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
  await ask('open', givenNetwork(start));
  return ask('see', givenPhoto(start));
}

export function App({ start, ask }: { readonly start: Start; readonly ask: Ask }) {
  const [view, change] = useView();
  const [scene, setScene] = useState<Scene>();
  const [error, setError] = useState('');
  const [share, setShare] = useState<number>();
  const refuse = (reason: Error): void => setError(reason.message);
  const [asked, setAsked] = useState('');
  const last = useRef<File | null>(null);
  const take = (file: File, as = asked): Promise<void> => {
    last.current = file;
    setShare(0);
    const show = ({ seen, identity }: Taken): void => {
      setError('');
      setScene((before) => sceneOf(identity ?? before ?? start, seen));
    };
    return ask('take', { file, network: as }, setShare)
      .then(show, refuse)
      .finally(() => setShare(undefined));
  };
  /** Weights that fit several networks are taken again when one is named. */
  const name = ({ currentTarget }: { readonly currentTarget: HTMLSelectElement }): void => {
    setAsked(currentTarget.value);
    if (error && last.current) void take(last.current, currentTarget.value);
  };
  const dragged = useDrop((file) => take(file));
  useEffect(() => {
    begin(start, ask).then((seen) => setScene(sceneOf(start, seen)), refuse);
  }, [start, ask]);
  const { network, source, random, notes } = scene ?? start;
  return (
    <>
      <header>
        <div class="head">
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
        </div>
        <p class="about">
          <b>{network.name}</b>: {network.title}. Weights: {source}
          {random && ', which are random, so its answers mean nothing'}. Everything is computed here, by the
          oracle itself; nothing leaves this page.
        </p>
        {notes.map((note) => (
          <p key={note} class="about">
            Note: {note}
          </p>
        ))}
        <p class={dragged ? 'drop over' : 'drop'}>
          <label>
            Drop a photo or a file of weights on the page, or{' '}
            <input type="file" onChange={chosen((file) => take(file))} />
          </label>{' '}
          <label>
            weights of{' '}
            <select value={asked} onChange={name}>
              <option value="">the network that they fit</option>
              {networks.map(({ name: one }) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          </label>{' '}
          {share !== undefined && <progress value={share} aria-label="reading the file" />}
        </p>
        {error && (
          <p class="error" role="alert">
            {error}
          </p>
        )}
      </header>
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
