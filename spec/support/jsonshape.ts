/**
 * The notation of docs/json.md: `{ a, b?, c: [{ d }], e: { f } }`, a question mark where a field may be
 * missing, alternatives with a bar. What a field without a shape holds is not told.
 */
export type Shape = { readonly fields: ReadonlyMap<string, { optional: boolean; shape?: readonly Shape[] }> };

/** Alternatives of a shape. Throws where the text is none. */
export function parseShape(text: string): readonly Shape[] {
  const tokens = text.match(/[\w]+\??|[{}[\],:|]/g) ?? [];
  let at = 0;
  const take = (wanted: string): void => {
    if (tokens[at++] !== wanted) throw new Error(`${text}: '${wanted}' expected before '${tokens[at]}'`);
  };
  function value(): readonly Shape[] {
    const list = tokens[at] === '[';
    if (list) take('[');
    const shapes = [object()];
    while (tokens[at] === '|') {
      take('|');
      shapes.push(object());
    }
    if (list) take(']');
    return shapes;
  }
  function object(): Shape {
    take('{');
    const fields = new Map<string, { optional: boolean; shape?: readonly Shape[] }>();
    while (tokens[at] !== '}') {
      const word = tokens[at++];
      let shape: readonly Shape[] | undefined;
      if (tokens[at] === ':') {
        take(':');
        shape = value();
      }
      fields.set(word.replace('?', ''), { optional: word.endsWith('?'), shape });
      if (tokens[at] !== '}') take(',');
    }
    take('}');
    return { fields };
  }
  return value();
}

/** Where a value differs from all its shapes: fields that are not told of, and told ones that are not there. */
export function differences(value: unknown, shapes: readonly Shape[], path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => differences(item, shapes, `${path}[${i}]`));
  const each = shapes.map((shape) => ofObject((value ?? {}) as Record<string, unknown>, shape, path));
  return each.find((found) => found.length === 0) ?? each[0];
}

function ofObject(value: Record<string, unknown>, { fields }: Shape, path: string): string[] {
  if (typeof value !== 'object') return [`${path} is no object`];
  const found: string[] = [];
  for (const name of Object.keys(value)) if (!fields.has(name)) found.push(`${path}.${name} is not told of`);
  for (const [name, { optional, shape }] of fields) {
    if (!(name in value)) {
      if (!optional) found.push(`${path}.${name} is missing`);
    } else if (shape) found.push(...differences(value[name], shape, `${path}.${name}`));
  }
  return found;
}
