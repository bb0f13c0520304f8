/** status as a check: how far the target is behind, in seconds, and whether anybody brings it on. */
import { expect } from 'chai';
import { pause } from '../../src/async/again.js';
import type { Etcd } from '../rig/etcd.js';
import * as contract from './contract.js';
import { run, Running, whole } from './run.js';
import { PODS, Stage, type Seeded } from './stage.js';

describe('status, a check', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;

  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  after(() => stage.end());

  const args = (of: Etcd, maxLag: string) => [
    ...['status', '--endpoints', stage.source.endpoint, '--dest-endpoints', of.endpoint],
    ...['--max-lag', maxLag],
  ];

  /** What the check says of a target: its exit code, and what was measured. */
  async function check(of: Etcd, maxLag: string) {
    const { code, stdout, stderr } = await run([...args(of, maxLag), '-w', 'json']);
    expect(stderr).to.equal('');
    return { code, ...contract.status.parse(whole(stdout)[0]) };
  }

  it('nobody follows: nothing is missing at first, then it is behind and does not come on', async () => {
    expect(await check(target, '1s')).to.deep.include({
      code: 0,
      behind: { seconds: 0, moves: null },
    });
    await stage.foreign(3);
    expect(await check(target, '500ms')).to.deep.include({
      code: 1,
      behind: { seconds: null, moves: false },
    });
    const text = await run(args(target, '500ms'));
    expect(text.code).to.equal(1);
    expect(text.stdout).to.match(/lag +more than 0\.5 s, and IT DOES NOT COME ON/);
    expect(text.stdout).to.contain(
      `With: --endpoints ${stage.source.endpoint} --dest-endpoints ${target.endpoint}\n`,
    );
  });

  it('somebody follows a source that is written all the time: the lag is measured', async () => {
    const follower = new Running(stage.followArgs(seeded.journal, target.endpoint));
    await follower.line(contract.follow, ({ state }) => state === 'in lockstep');
    const stop = new AbortController();
    const writes = (async () => {
      while (!stop.signal.aborted) {
        await stage.foreign(1);
        await pause(5, stop.signal);
      }
    })();
    let moved = false;
    for (let tries = 0; !moved && tries < 20; tries++) {
      const { code, behind } = await check(target, '10s');
      expect(code).to.equal(0);
      expect(behind?.seconds).to.be.within(0, 10);
      moved = behind?.moves === true;
    }
    stop.abort();
    await writes;
    follower.signal('SIGTERM');
    await follower.ended;
    expect(moved, 'seen to come on').to.equal(true);
  });

  it('a mirror: other keys do not count, a put and a deletion do', async () => {
    const mirrored = await stage.etcd();
    const mirror = async () => {
      const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', mirrored.endpoint];
      const ended = await run(['mirror', ...ends, '--prefix', PODS, '--until-synced']);
      expect(ended.code, ended.stderr).to.equal(0);
    };
    await mirror();
    await stage.foreign(3);
    const one = await check(mirrored, '5s');
    expect(one).to.deep.include({ code: 0, kind: 'mirror', behind: null });
    expect(one.mirrors).to.have.lengthOf(1);
    expect(one.mirrors[0]).to.deep.include({ prefix: PODS, behind: { seconds: 0, moves: null } });

    await stage.put(`${PODS}b`);
    expect((await check(mirrored, '1s')).code).to.equal(1);
    await mirror();
    expect((await check(mirrored, '5s')).code).to.equal(0);
    await stage.source.ctl('del', `${PODS}b`);
    const late = await check(mirrored, '1s');
    expect(late.code).to.equal(1);
    expect(late.mirrors[0]?.behind).to.deep.equal({ seconds: null, moves: false });
  });

  it('a target that is none, and a source that is not named', async () => {
    const empty = await stage.etcd();
    expect((await check(empty, '500ms')).code).to.equal(1);
    const { code, stderr } = await run([
      ...['status', '--dest-endpoints', empty.endpoint, '--max-lag', '1s'],
    ]);
    expect(code).to.equal(2);
    expect(stderr).to.contain('--max-lag needs the source');
  });
});

describe("keys that are not Kubernetes'", () => {
  const prefix = '/shop/';
  let stage: Stage;
  before(async () => {
    stage = await Stage.start();
    await stage.source.ctl('put', `${prefix}a`, 'v');
  });
  after(() => stage.end());

  it('plan has no flag of the apiservers', async () => {
    const ends = ['--endpoints', stage.source.endpoint];
    const { code, stdout } = await run(['plan', ...ends, '--prefix', prefix, '--sample', '0.1']);
    expect(code).to.equal(0);
    expect(stdout).to.contain('Checks:').and.not.to.contain('--etcd-servers-overrides');
  });

  it('status of a fenced target names neither cutover nor rollback', async () => {
    const { journal, base } = await stage.seed({ prefixes: [prefix] });
    const fenced = await stage.etcd(base);
    await stage.follow(journal, fenced, '--until-synced');
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', fenced.endpoint];
    const ended = await run(['fence', ...ends, '--once', '--yes', '--quiet', '50ms']);
    expect(ended.code, ended.stderr).to.equal(0);
    const { stdout } = await run(['status', ...ends]);
    expect(stdout).to.contain('Next: Move your clients here').and.contain('`etcd-lockstep fence`');
    expect(stdout).not.to.match(/etcd-lockstep (cutover|rollback)/);
  });
});
