/** The alarm CORRUPT on a side that is only read: etcd answers as if nothing were, and we say it. */
import { expect } from 'chai';
import { run } from '../cli/run.js';
import { Running } from '../cli/run.js';
import { eventually, PODS, Stage } from '../cli/stage.js';
import { raiseCorrupt } from '../rig/corrupt.js';

const SAYS = /the source has the alarm CORRUPT \(member [0-9a-f]+\): .*may be wrong/;

describe('a source with the alarm CORRUPT', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
  });
  after(() => stage.end());

  it('seed, follow, mirror and audit say it, and do what they are told', async () => {
    const { journal, base } = await stage.seed();
    const [target, mirrored] = await Promise.all([stage.etcd(base), stage.etcd()]);
    const from = ['--endpoints', stage.source.endpoint];
    const quiet = await stage.audit(target);
    expect([quiet.code, quiet.stderr]).to.satisfy(
      ([code, said]: unknown[]) => code === 0 && !SAYS.test(String(said)),
    );
    await raiseCorrupt(stage.source);
    const at = `${stage.dir}/damaged`;
    const commands = [
      ['seed', ...from, '--prefix', PODS, '--journal', at, '--out', `${at}.db`],
      ['audit', ...from, '--dest-endpoints', target.endpoint],
      [
        'mirror',
        ...from,
        '--dest-endpoints',
        mirrored.endpoint,
        '--prefix',
        PODS,
        '--until-synced',
      ],
    ];
    for (const { code, stderr } of await Promise.all(commands.map((args) => run(args)))) {
      expect(code, stderr).to.equal(0);
      expect(stderr).to.match(SAYS);
    }
    const follower = new Running(stage.followArgs(journal, target.endpoint));
    await eventually(() => Promise.resolve(SAYS.test(follower.stderr)));
    follower.signal('SIGTERM');
    expect((await follower.ended).code).to.equal(0);
  });
});
