import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/sigmoid', () => {
  checkOnFixtures('sigmoid');
});
