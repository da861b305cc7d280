import { checkOnFixtures } from './check.ts';

describe('reference/ops/tanh', () => {
  checkOnFixtures('tanh');
});
