import { checkOnFixtures } from './check.ts';

describe('reference/ops/relu', () => {
  checkOnFixtures('relu');
});
