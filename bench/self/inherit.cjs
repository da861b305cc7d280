/** In NODE_OPTIONS of the specs: a thread or a process that they start has the mutant too. */
const { register } = require('node:module');
const { pathToFileURL } = require('node:url');

const { ALEXNET_MUTANT } = process.env;
if (ALEXNET_MUTANT) register('./hook.mjs', pathToFileURL(__filename), { data: JSON.parse(ALEXNET_MUTANT) });
