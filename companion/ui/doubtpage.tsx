/** Doubt: where the paper, the authors' source and this program disagree, and what each way does to this photo. */
import { chosenWays, type Doubt, doubts, ownWay } from '../engine/doubts.ts';
import { useAnswer } from './answer.ts';
import type { Looking } from './looking.ts';
import { largest, percent } from './rank.ts';
import type { Scene } from './scene.ts';
import { Source } from './source.tsx';

export function DoubtPage({ scene, view, change, ask }: Looking) {
  const chosen = chosenWays(view.doubt);
  const choose = (name: string, way: string): void => {
    const next = new Map([...chosen].map(([doubt, { name: one }]) => [doubt, one]));
    if (way) next.set(name, way);
    else next.delete(name);
    change({ doubt: [...next].map((pair) => pair.join('.')).join(',') });
  };
  const found = useAnswer(ask, 'doubt', { ways: view.doubt }, view.doubt);
  return (
    <>
      <section class="part" aria-label="Doubt">
        <h2>Doubt</h2>
        <p>
          The paper says one thing, the source that its authors released another, and each framework chose.
          Turn a switch: the same weights run in the other network at once. Files such as layer.py and
          layers-145.cfg are the authors’ (computerhistory/AlexNet-Source-Code); configuration 145 is the run
          whose errors the paper prints.
        </p>
      </section>
      <div class="doubting">
        <div>
          {doubts.map((doubt) => (
            <Question
              key={doubt.name}
              doubt={doubt}
              scene={scene}
              way={chosen.get(doubt.name)?.name ?? ''}
              choose={choose}
            />
          ))}
        </div>
        <aside aria-live="polite" class="effect" data-of={found?.ways}>
          <h3>What it does to this photo</h3>
          {chosen.size === 0 && <p>Nothing is switched.</p>}
          {chosen.size > 0 && found && <Effect scene={scene} found={found} />}
          <button type="button" disabled={chosen.size === 0} onClick={() => change({ doubt: '' })}>
            all as they were
          </button>
        </aside>
      </div>
    </>
  );
}

interface Asked {
  readonly doubt: Doubt;
  readonly scene: Scene;
  readonly way: string;
  readonly choose: (name: string, way: string) => void;
}

function Question({ doubt, scene, way, choose }: Asked) {
  const { name, title, paper, released, ours, ways, without } = doubt;
  const none = without?.(scene.network);
  const own = ownWay(doubt, scene.network);
  const all = [{ name: '', label: `as the network has it${own ? `: ${own.label}` : ''}` }, ...ways];
  return (
    <fieldset class="doubt" disabled={none !== undefined}>
      <legend>{title}</legend>
      <blockquote>
        <p>“{paper[1]}”</p>
        <footer>section {paper[0]}</footer>
      </blockquote>
      <p class="released">{released}</p>
      <Source place={ours} />
      <div class="ways">
        {all.map((one) => (
          <label key={one.name}>
            <input
              type="radio"
              name={name}
              value={one.name}
              checked={way === one.name}
              onChange={() => choose(name, one.name)}
            />
            {one.label}
          </label>
        ))}
      </div>
      {none && <p class="hint">Not to be asked here: {none}.</p>}
    </fieldset>
  );
}

interface Found {
  readonly probabilities: Float64Array;
  readonly refused: string;
}

function Effect({ scene, found }: { readonly scene: Scene; readonly found: Found }) {
  const { probabilities: after, refused } = found;
  const { probabilities: before, classes } = scene;
  if (refused) return <p class="error">The network no longer fits: {refused}</p>;
  const shown = [...new Set([...largest(before, 5), ...largest(after, 5)])].sort(
    (a, b) => after[b] - after[a],
  );
  const moved = before.reduce((most, p, k) => Math.max(most, Math.abs(p - after[k])), 0);
  const [was] = largest(before, 1);
  const [is] = largest(after, 1);
  return (
    <>
      <p>
        {was === is ? `Still ${classes[is]}. ` : `Now ${classes[is]}, no longer ${classes[was]}. `}
        No probability moves by more than {percent(moved)}.
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">class</th>
            <th scope="col">as it is</th>
            <th scope="col">now</th>
          </tr>
        </thead>
        <tbody>
          {shown.map((k) => (
            <tr key={k}>
              <th scope="row">{classes[k]}</th>
              <td>{percent(before[k])}</td>
              <td>
                <data value={after[k]} title={String(after[k])}>
                  {percent(after[k])}
                </data>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
