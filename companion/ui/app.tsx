/** The page: its head, the way to its five parts, and the part that is looked at. */
import { useEffect, useState } from 'preact/hooks';
import type { Start } from '../../lib/explain/start.ts';
import type { Seen } from '../engine/protocol.ts';
import { type Scene, sceneOf } from './scene.ts';
import { givenNetwork, givenPhoto } from './start.ts';
import { formatView, type Page, useView } from './view.ts';
import { Walk } from './walk.tsx';
import type { Ask } from './worker.ts';

const parts: readonly (readonly [Page, string])[] = [['walk', 'Walk through']];

/** Opens the network and shows it the photo. */
async function begin(start: Start, ask: Ask): Promise<Seen> {
  await ask('open', await givenNetwork(start));
  return ask('see', await givenPhoto(start));
}

export function App({ start, ask }: { readonly start: Start; readonly ask: Ask }) {
  const [view, change] = useView();
  const [scene, setScene] = useState<Scene>();
  const [error, setError] = useState('');
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
      {error && (
        <p class="error" role="alert">
          {error}
        </p>
      )}
      <main>
        {scene ? (
          <Walk scene={scene} view={view} change={change} ask={ask} />
        ) : (
          <p class="wait">{error ? '' : 'Computing…'}</p>
        )}
      </main>
    </>
  );
}
