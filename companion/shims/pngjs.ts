/** pngjs without its writer, its streams and Node's zlib: the reader alone, for a page. */
import read from 'pngjs/lib/parser-sync.js';

export const PNG = { sync: { read } };
