/** What the budget of lib/onnx asks Node: memory, in bytes, and time, in µs. A page is told neither exactly. */
const GIB = 2 ** 30;

export const totalmem = (): number => 8 * GIB;

export const getHeapStatistics = (): { readonly heap_size_limit: number } => ({ heap_size_limit: 2 * GIB });

export const process = {
  cpuUsage: ({ user } = { user: 0 }) => ({ user: 1000 * performance.now() - user, system: 0 }),
};
