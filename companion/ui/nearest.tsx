/** Figure 4: pictures that the net's last hidden layer takes for alike. */
import { useAnswer } from './answer.ts';
import type { Looking } from './looking.ts';
import { short } from './rank.ts';
import { opaque, Raster } from './raster.tsx';

export function NearestPictures({ ask }: Pick<Looking, 'ask'>) {
  const found = useAnswer(ask, 'nearest', null, 'nearest')?.nearest;
  if (!found) return null;
  return (
    <section class="part" aria-label="Nearest pictures">
      <h2>Nearest pictures</h2>
      <p>
        Figure 4 of the paper: pictures whose values in the last hidden layer, {found.layer}, lie nearest to
        those of this photo. They may look nothing alike pixel by pixel. The nearest of {found.among}:
      </p>
      <ol class="views nearest">
        {found.found.map(({ name, distance, picture }) => (
          <li key={name}>
            <div class="map still" style={{ aspectRatio: `${picture.width} / ${picture.height}` }}>
              <Raster
                width={picture.width}
                height={picture.height}
                pixels={opaque(picture.data)}
                label={name}
              />
            </div>
            <p class="hint">
              {name}
              <br />
              distance{' '}
              <data value={distance} title={String(distance)}>
                {short(distance)}
              </data>
            </p>
          </li>
        ))}
      </ol>
    </section>
  );
}
