/** Text put into other formats, so that no name in a model can break out of its place. */

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/**
 * What XML 1.0 (section 2.2) does not allow even escaped: most control characters, lone surrogates, U+FFFE,
 * U+FFFF.
 */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const NOT_XML = /[\0-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]|\p{Surrogate}/gu;

/** For the text and the attribute values of XML and HTML. What XML cannot hold becomes U+FFFD. */
export const escapeXml = (text: string): string =>
  text.replace(NOT_XML, '\ufffd').replace(/[&<>"'\t\n\r]/g, (character) => ENTITIES[character]);

/** For a cell of a Markdown table: one line, no markup, no HTML. */
export const escapeMarkdown = (text: string): string =>
  text
    .replace(NOT_XML, '\ufffd')
    .replace(/\s+/g, ' ')
    .replace(/[\\`*_{}[\]()#|~!@:]/g, '\\$&')
    .replace(/[&<>]/g, (character) => ENTITIES[character]);

/** For the message of a GitHub workflow command, which ends with its line. */
export const escapeMessage = (text: string): string =>
  text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');

/** For a property of a GitHub workflow command, which ends at a comma or colon too. */
export const escapeProperty = (text: string): string =>
  escapeMessage(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
