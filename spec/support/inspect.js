/** What specs ask of a page. This text runs in the browser: `page.evaluate(source + '; inspect.overflow()')`. */

const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);

/** Relative luminance of WCAG 2. */
function luminance(colour) {
  const [r, g, b] = channels(colour).map((c) => {
    const s = c / 255;
    return s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function ground(element) {
  for (let at = element; at; at = at.parentElement) {
    const { backgroundColor } = getComputedStyle(at);
    if (channels(backgroundColor)[3] !== 0) return backgroundColor;
  }
  return 'rgb(255, 255, 255)';
}

const visible = (element) => element.getClientRects().length > 0;

// biome-ignore lint/correctness/noUnusedVariables: the specs use it
const inspect = {
  unfold() {
    for (const folded of document.querySelectorAll('details')) folded.open = true;
  },

  /** Pixels by which the page is wider than the window. */
  overflow() {
    const { scrollWidth, clientWidth } = document.documentElement;
    return scrollWidth - clientWidth;
  },

  /** Least contrast of a visible text, in HTML and in plots, with what is behind it. */
  contrast() {
    let least = { ratio: 21, text: '' };
    for (const element of document.querySelectorAll(
      'p, td, th, h1, h2, h3, dt, dd, b, strong, span, svg text',
    )) {
      if (!element.textContent.trim() || !visible(element)) continue;
      const style = getComputedStyle(element);
      const ink = element.closest('svg') ? style.fill : style.color;
      const [a, b] = [luminance(ink), luminance(ground(element))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      if (ratio < least.ratio) least = { ratio, text: element.textContent.trim() };
    }
    return least;
  },

  /** Smallest scale at which a visible drawing is shown. */
  scale() {
    const drawings = [...document.querySelectorAll('svg')].filter(visible);
    return Math.min(...drawings.map((svg) => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width));
  },

  /** What an XML parser makes of a text. */
  xml(text) {
    const parsed = new DOMParser().parseFromString(text, 'application/xml');
    return {
      error: parsed.querySelector('parsererror')?.textContent ?? '',
      cases: parsed.querySelectorAll('testcase').length,
      first: parsed.querySelector('testcase')?.getAttribute('name') ?? '',
    };
  },
};
