/** Plain text tables for a terminal: columns padded to their widest cell, two spaces between. */

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** Lines without trailing spaces, the titles first. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const widths = columns.map(({ title }, c) => Math.max(title.length, ...rows.map((row) => row[c].length)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => (columns[c].align === 'right' ? cell.padStart(widths[c]) : cell.padEnd(widths[c])))
      .join('  ')
      .trimEnd();
  return [line(columns.map(({ title }) => title)), ...rows.map(line)].join('\n');
}

/** 60,965,224. */
export const thousands = (value: number): string => value.toLocaleString('en-US');

/** Two significant digits in scientific notation, e.g. 1.2e-7; 0 for 0. */
export const scientific = (value: number): string => (value === 0 ? '0' : value.toExponential(1));

/** 243.9 MB. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
