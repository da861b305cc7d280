/** pngjs's own inflate, which is made of Node's zlib. */
module.exports = require('./zlib.cjs').inflateSync;
