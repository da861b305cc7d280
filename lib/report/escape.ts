/** Text put into other formats, so that no name in a model can break out of its place. */

/** What a terminal obeys: control characters but tab and newline, other line ends, and what turns the direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\0-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** \u001b for ESC: the same in JSON, and seen elsewhere. */
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;

export const visible = (text: string): string => text.replace(OBEYED, escaped);

/** What CI systems obey in a log: `::` at the head of a line (GitHub); `##[`, `##vso[`, `##teamcity[` anywhere. */
const COMMANDS = /^[^\S\n]*:(?=:)|#(?=#\w*\[)/gm;

/** The same text, none of which is obeyed. In JSON it stays the same JSON. */
export const harmless = (text: string): string =>
  visible(text).replace(COMMANDS, (found) => found.slice(0, -1) + escaped(found.at(-1)!));

/** For a place that is one line. */
export const oneLine = (text: string): string => text.replaceAll('\n', '\\n');

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\t': '&#9;',
  '\n': '&#10;',
};

/** Of what XML 1.0 (section 2.2) does not allow even escaped, that which is not made visible. */
const NOT_XML = /[\ufffe\uffff]|\p{Surrogate}/gu;

export const legalXml = (text: string): string => visible(text).replace(NOT_XML, '\ufffd');

/** For the text and the attribute values of XML and HTML. */
export const escapeXml = (text: string): string =>
  legalXml(text).replace(/[&<>"'\t\n]/g, (character) => ENTITIES[character]);

/** For a cell of a Markdown table: one line, no markup, no HTML. */
export const escapeMarkdown = (text: string): string =>
  visible(text)
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]()#|~!@:]/g, '\\$&')
    .replace(/[&<>]/g, (character) => ENTITIES[character]);

/** For the message of a GitHub workflow command, which ends with its line. */
export const escapeMessage = (text: string): string =>
  visible(text).replaceAll('%', '%25').replaceAll('\n', '%0A');

/** For a property of a GitHub workflow command, which ends at a comma or colon too. */
export const escapeProperty = (text: string): string =>
  escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
