/** A picture as SVG: texts stay texts, what has pixels is a PNG in it. */
import { GENERATOR } from '../format/strings.ts';
import { encodePng } from '../image/encode.ts';
import { escapeXml } from '../report/escape.ts';
import type { Colour } from './colour.ts';
import type { faces } from './font.ts';
import { DENSITY, type Item, type Sheet } from './sheet.ts';

const SIZES: Readonly<Record<keyof typeof faces, string>> = {
  small: 'font-size="11"',
  title: 'font-size="15" font-weight="bold"',
};

const hex = (colour: Colour): string =>
  `#${colour.map((part) => Math.round(part).toString(16).padStart(2, '0')).join('')}`;
const round = (units: number): number => Math.round(units * 100) / 100;

export function svgOf({ width, height, title, items }: Sheet): string {
  const root = `xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return `<svg ${root} role="img"><!-- ${GENERATOR} --><title>${escapeXml(title)}</title>
<rect width="100%" height="100%" fill="#fff"/>
<g font-family="DejaVu Sans, Verdana, sans-serif" stroke-linejoin="round" stroke-width="${1 / DENSITY}">
${items.map(drawn).join('\n')}
</g></svg>
`;
}

function drawn(item: Item): string {
  switch (item.kind) {
    case 'raster': {
      const { x, y, width, height, image } = item;
      const png = Buffer.from(encodePng(image)).toString('base64');
      const place = `x="${round(x)}" y="${round(y)}" width="${width}" height="${height}"`;
      return `<image ${place} preserveAspectRatio="none" style="image-rendering:pixelated" href="data:image/png;base64,${png}"/>`;
    }
    case 'text':
      return `<text x="${round(item.x)}" y="${round(item.y)}" ${SIZES[item.face]} fill="${hex(item.colour)}">${escapeXml(item.text)}</text>`;
    case 'shape': {
      const points = item.points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
      const stroke = item.stroke ? ` stroke="${hex(item.stroke)}"` : '';
      return item.fill
        ? `<polygon points="${points}" fill="${hex(item.fill)}"${stroke}/>`
        : `<polyline points="${points}" fill="none"${stroke}/>`;
    }
  }
}
