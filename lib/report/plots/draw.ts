/**
 * The HTML report's plots are drawn by vega as SVG. Colours are CSS custom properties of the page, so that the same
 * drawing serves light and dark.
 */
import type { Axis, Mark, Spec } from 'vega';
import { GENERATOR } from '../../format/strings.ts';
import { escapeXml, legalXml } from '../escape.ts';
import { palette } from '../page.ts';

/** Loaded when the first plot is drawn: it is large, and most runs draw none. */
export async function plotSvg(spec: Spec, label: string): Promise<string> {
  const vega = await import('vega');
  const view = new vega.View(vega.parse({ ...spec, autosize: 'none', config }), { renderer: 'none' });
  const svg = legalXml(await view.toSVG());
  view.finalize();
  const size = /width="([\d.]+)" height="[\d.]+"/.exec(svg)?.[1] ?? '360';
  return svg.replace(
    /<svg [^>]*viewBox="([^"]*)">/,
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${escapeXml(label)}" viewBox="$1" style="max-width:${size}px">`,
  );
}

export const FONT = 'system-ui, sans-serif';
const config = {
  aria: false,
  axis: {
    domainColor: 'var(--line)',
    tickColor: 'var(--line)',
    gridColor: 'var(--line)',
    labelColor: 'var(--muted)',
    titleColor: 'var(--muted)',
    labelFont: FONT,
    titleFont: FONT,
    labelFontSize: 11,
    titleFontSize: 11,
    titleFontWeight: 'normal',
    titlePadding: 8,
    tickSize: 4,
  },
} as const;

/** A drawing that stands by itself: with its own colours, light and dark, on a ground. */
export function standalone(svg: string): string {
  const ground = '<rect width="100%" height="100%" fill="var(--ground)"/>';
  const inside = `<!-- ${GENERATOR} --><style>${palette}</style>${ground}`;
  return `${svg.replace(/^<svg [^>]*>/, (start) => `${start}${inside}`)}\n`;
}

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
/** 2⁻²⁴. */
export const powerOfTwo = (exponent: number): string =>
  `2${exponent < 0 ? '⁻' : ''}${[...String(Math.abs(exponent))].map((digit) => SUPERSCRIPTS[Number(digit)]).join('')}`;

/** A mark for each row of a data set, or one alone (null). A channel that is a plain number or text is a constant. */
export const mark = (
  type: Mark['type'],
  data: string | null,
  channels: Readonly<Record<string, number | string | object>>,
): Mark => {
  const enter = Object.entries(channels).map(([name, channel]) => {
    return [name, typeof channel === 'object' ? channel : { value: channel }] as const;
  });
  return { type, ...(data && { from: { data } }), encode: { enter: Object.fromEntries(enter) } } as Mark;
};

/** A line of small text at a fixed place. */
export const caption = (
  text: string,
  x: number,
  y: number,
  align: 'left' | 'center' | 'right',
  fill = 'var(--muted)',
): Mark => mark('text', null, { x, y, text, align, fill, font: FONT, fontSize: 11 });

/** Room for the longest name at the left of a chart of this width. */
export const room = (names: readonly string[], width: number): number =>
  Math.min(width / 3, 14 + 6.6 * Math.max(0, ...names.map(({ length }) => length)));

/** The same room in vega's measure, which takes letters for a third wider than they are. */
export const labelLimit = (left: number): number => (left - 8) * 1.33;

/** Names at the left of rows, one a place of the band scale 'layer'. */
export const namesAxis = (left: number): Axis => ({
  orient: 'left',
  scale: 'layer',
  domain: false,
  ticks: false,
  labelLimit: labelLimit(left),
  labelColor: 'var(--ink)',
});
