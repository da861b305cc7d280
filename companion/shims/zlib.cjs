/** What pngjs's reader wants of Node's zlib. */
const { unzlibSync } = require('fflate');

exports.inflateSync = (packed) => Buffer.concat([unzlibSync(packed)]);
/** Only asked whether it is there. */
exports.deflateSync = exports.inflateSync;
