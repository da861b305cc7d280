import { checkOnFixtures } from '../../support/check-operation.ts';

describe('reference/ops/tanh', () => {
  checkOnFixtures('tanh');
});
