/** What is being looked at. It stands in the URL, so a link shows what its sender saw. */
import { useEffect, useState } from 'preact/hooks';
import type { Side } from '../engine/protocol.ts';

const pages = ['tour', 'walk', 'input', 'answer', 'doubt'] as const;
export type Page = (typeof pages)[number];

export interface View {
  readonly page: Page;
  readonly layer: string;
  /** Channel, row, column of the value that is looked at; of a vector the first alone counts. */
  readonly map: number;
  readonly row: number;
  readonly column: number;
  readonly side: Side;
  /** The class whose loss the gradients are of; −1: the most probable. */
  readonly k: number;
  /** The ways that doubts go: 'alpha.no,k.1'. */
  readonly doubt: string;
  /** Of the tour. */
  readonly step: number;
}

const usual: View = {
  page: 'walk',
  layer: 'conv1',
  map: 2,
  row: 6,
  column: 6,
  side: 'value',
  k: -1,
  doubt: '',
  step: 0,
};

/** What the part of a URL behind its # says; what makes no sense is passed over. */
function parseView(hash: string): View {
  const [page, query = ''] = hash.replace(/^#\/?/, '').split('?');
  const words = new URLSearchParams(query);
  const whole = (key: 'map' | 'row' | 'column' | 'k' | 'step'): number => {
    const text = words.get(key) ?? '';
    return /^\d{1,9}$/.test(text) ? Number(text) : usual[key];
  };
  return {
    page: pages.find((one) => one === page) ?? usual.page,
    layer: words.get('layer') ?? usual.layer,
    map: whole('map'),
    row: whole('row'),
    column: whole('column'),
    side: words.get('side') === 'gradient' ? 'gradient' : 'value',
    k: whole('k'),
    doubt: words.get('doubt') ?? '',
    step: whole('step'),
  };
}

/** Only what is not as usual is written. */
export function formatView({ page, ...view }: View): string {
  const words = Object.entries(view)
    .filter(([key, value]) => value !== usual[key as keyof View])
    .map(([key, value]) => [key, String(value)]);
  const query = new URLSearchParams(words).toString();
  return `#/${page}${query && `?${query}`}`;
}

export type Change = (changes: Partial<View>) => void;

/** The view that the URL tells, and how to change it. */
export function useView(): [View, Change] {
  const [view, setView] = useState(() => parseView(location.hash));
  useEffect(() => {
    const follow = (): void => setView(parseView(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const change: Change = (changes) => {
    const next = { ...parseView(location.hash), ...changes };
    // pages and layers are steps that the back button takes; a value that is pointed at is none
    const step = (changes.page ?? changes.layer ?? changes.step) !== undefined;
    history[step ? 'pushState' : 'replaceState'](null, '', formatView(next));
    setView(next);
  };
  return [view, change];
}
