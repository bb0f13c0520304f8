import { expect } from 'chai';
import { run } from '../cli/run.js';

describe('a fail point', () => {
  for (const wrong of [
    '',
    'no.such',
    'target.data.send:0',
    'target.data.send:x',
    'target.data.send:1:',
    'target.data.send:1:bug',
    ' data.send',
  ])
    it(`spelt "${wrong}" is an error at start-up, not a test of nothing`, async () => {
      const { code, stderr } = await run(['follow', '--help'], { LOCKSTEP_FAILPOINT: wrong });
      expect(code).to.equal(70);
      expect(stderr).to.include(`there is no fail point "${wrong}"`);
    });

  it('that a command does not come past changes nothing', async () => {
    const { code } = await run(['follow', '--help'], {
      LOCKSTEP_FAILPOINT: 'target.data.send:3:20',
    });
    expect(code).to.equal(0);
  });
});
