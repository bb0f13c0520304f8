/**
 * A rollback by the command line that dies on the short way: while it brings over what is left, behind that,
 * and in the freeze. The next one goes on, and clients write in between wherever they are let.
 */
import { expect } from 'chai';
import { reverseKey } from '../../src/target/reversecursor.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { rollback as contract } from '../cli/contract.js';
import { Running, whole } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { Night } from '../cutover/night.js';
import { expectReturned } from '../cutover/returned.js';
import { writeKubeconfig } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';

describe('a rollback that is killed on the short way', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let night: Night;
  before(async () => {
    stage = await Stage.start();
    night = await Night.start(stage, certs(), 1);
  });
  after(async () => {
    await night.end();
    await stage.end();
  });

  function rollback(env: Record<string, string> = {}): Running {
    const [api] = night.apis;
    const ends = [
      ...['--endpoints', stage.source.endpoint, '--dest-endpoints', night.targetEtcd.endpoint],
    ];
    const kube = ['--kubeconfig', writeKubeconfig(certs(), api!.url), '--apiservers', api!.url];
    const more = ['--yes', '--watch', '0', '--quiet', '50ms', '--margin', '100', '-w', 'json'];
    return new Running(['rollback', ...ends, ...kube, ...more], env);
  }

  it('goes on from there, by the short way still, and loses nothing that was written meanwhile', async () => {
    await night.cutover();
    const stop = new AbortController();
    const { reverse, ended } = night.reverse({ signal: stop.signal });
    await night.put('target', 'default/a', 'there');
    await night.reversed(reverse);
    stop.abort();
    await ended;
    const { rows } = await night.direct.source.few({ key: reverseKey(PrefixSet.of([PODS])) });
    expect(rows).to.have.length(1);
    const points = [
      // The cursor is claimed, and the first of what is left sent.
      'mirror.copy.send:2',
      'cutover.rollback.caught',
      'cutover.rollback.drained',
    ];
    for (const [n, point] of points.entries()) {
      expect(night.frozen, point).to.equal(false);
      await night.put('target', 'default/b', `${n}`);
      await night.put('target', `default/new-${n}`, `${n}`);
      const { code, stdout, stderr } = await rollback({ LOCKSTEP_FAILPOINT: point }).ended;
      expect(code, `${point}: ${stdout}${stderr}`).to.equal(null);
      expect(stderr, point).not.to.contain('not the short way');
    }
    expect(night.frozen).to.equal(true);
    const last = rollback();
    await last.until(({ stderr }) => stderr.includes('etcd-servers-overrides'));
    night.serves.fill('source');
    const { code, stdout, stderr } = await last.ended;
    expect(code, stderr).to.equal(0);
    const { rollback: report } = contract.parse(whole(stdout).at(-1));
    expect(report.back, stderr).to.deep.equal({ way: 'short', why: null });
    expect(report.alarms).to.deep.equal([]);
    await expectReturned(night);
  });
});
