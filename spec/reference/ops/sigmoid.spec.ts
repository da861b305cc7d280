import { checkOnFixtures } from './check.ts';

describe('reference/ops/sigmoid', () => {
  checkOnFixtures('sigmoid');
});
