/** Which class of a network each class of a data set is. */
import { InputError } from '../errors.ts';
import { wordnet1000 } from '../labels/wordnet1000.ts';

export interface Matching {
  /** The network's class for each class of the data. */
  readonly to: readonly number[];
  /** The network's class names; the data's own where the network has none. */
  readonly names: readonly string[];
  readonly by: 'WordNet id' | 'name' | 'order';
}

/**
 * By WordNet id (n01440764; networks of 1000 classes), else by name ('_', '-' and capitals aside), else in
 * the order of both, if there are as many classes and no name that both know contradicts it. `names` are the
 * network's. Throws InputError, beginning with `path`, if none of these goes.
 */
export function matchClasses(path: string, classes: readonly string[], names: readonly string[]): Matching {
  const anonymous = names.every((name, k) => name === `class ${k}`);
  if (names.length === wordnet1000.length) {
    const to = classes.map((name) => wordnet1000.indexOf(name));
    if (to.every((k) => k >= 0)) return { to, names, by: 'WordNet id' };
  }
  const to = anonymous ? [] : byName(classes, names);
  if (to.length > 0 && to.every((k) => k >= 0)) return { to, names, by: 'name' };
  const known = to.findIndex((k, label) => k >= 0 && k !== label);
  if (classes.length === names.length && known < 0) {
    return { to: classes.map((_, label) => label), names: anonymous ? classes : names, by: 'order' };
  }
  throw new InputError(`${path}: ${reason(classes, names, to, known)}`);
}

const plain = (name: string): string =>
  name
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
    .trim();

/** The class that has the name, -1 where none or several have it. */
function byName(classes: readonly string[], names: readonly string[]): number[] {
  const places = new Map<string, number>();
  for (const [k, name] of names.entries()) places.set(plain(name), places.has(plain(name)) ? -1 : k);
  const to = classes.map((name) => places.get(plain(name)) ?? -1);
  return new Set(to).size === to.length ? to : to.map((k) => (count(to, k) === 1 ? k : -1));
}

const count = (list: readonly number[], value: number): number =>
  list.filter((other) => other === value).length;

function reason(
  classes: readonly string[],
  names: readonly string[],
  to: readonly number[],
  contradicted: number,
): string {
  const some = `${classes.slice(0, 3).join(', ')}${classes.length > 3 ? ', …' : ''}`;
  if (classes.length !== names.length) {
    const which = to.length > 0 ? `, and '${classes[to.indexOf(-1)]}' is the name of none of them` : '';
    return `${classes.length} classes (${some}), but the network has ${names.length}${which}: name them with --class-names or take other weights`;
  }
  const stranger = classes[to.indexOf(-1)];
  const place = `'${classes[contradicted]}' is the network's class ${to[contradicted]} and the data's ${contradicted}`;
  return `the classes fit neither by name ('${stranger}' is none of the network's) nor in order (${place}): see --class-names`;
}
