export const exp = Math.exp,
  tanh = Math.tanh;
export const sigmoid = (x: number): number => 1 / (1 + exp(-x));
export const invPow = (s: number, beta: number): number =>
  beta === 0.75 ? 1 / (Math.sqrt(s) * Math.sqrt(Math.sqrt(s))) : s ** -beta;
