/** A cutover by the command line goes on as the reverse, and ends with its own exit code. */
import { expect } from 'chai';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { put } from '../../src/target/txn.js';
import { Night } from '../cutover/night.js';
import { until } from '../cutover/pair.js';
import { run, Running, whole } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { writeKubeconfig } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';
import { reverse as reverseContract, status as statusContract } from '../cli/contract.js';

describe('a cutover that is done', () => {
  const { certs } = withCerts();

  it('keeps the way back open until it is stopped; status and an audit know of it', async function () {
    this.timeout(120_000);
    const stage = await Stage.start();
    const night = await Night.start(stage, certs(), 1);
    try {
      const [api] = night.apis;
      const ends = [
        ...['--endpoints', stage.source.endpoint, '--dest-endpoints', night.targetEtcd.endpoint],
      ];
      const kube = ['--kubeconfig', writeKubeconfig(certs(), api!.url), '--apiservers', api!.url];
      const more = ['--yes', '--watch', '0', '--quiet', '50ms', '--margin', '100', '-w', 'json'];
      const cutover = new Running(['cutover', ...ends, ...kube, ...more], {
        LOCKSTEP_NO_REVERSE: 'false',
      });
      await cutover.until(({ stderr }) => stderr.includes('etcd-servers-overrides'));
      night.serves.fill('target');
      await cutover.until(({ stdout }) => stdout.includes('the way back is open'));
      const key = Buffer.from(`${PODS}default/a`);
      const { revision } = await night.direct.target.txn({ success: [put(key, Buffer.from('b'))] });
      await until(async () => {
        const { rows } = await night.direct.source.few({ key });
        const there = rows[0] && parseKeyValue(rows[0]);
        return there?.value.toString() === 'b' && there.modRevision > revision;
      });
      cutover.signal('SIGINT');
      const { code, stdout, stderr } = await cutover.ended;
      expect(code, stderr).to.equal(0);
      const lines = whole(stdout);
      const report = lines.findIndex((line) => 'cutover' in (line as object));
      const reversing = lines.slice(report + 1).map((line) => reverseContract.parse(line));
      expect(reversing.at(-1)).to.deep.include({ prefixes: [PODS], puts: 1, endedBy: null });
      const { wayBack } = statusContract.parse(
        JSON.parse((await run(['status', ...ends, '-w', 'json'])).stdout),
      );
      expect(wayBack?.position).to.be.at.least(revision);
      const audit = await run(['audit', '--values', '--prefix', PODS, ...ends]);
      expect(audit.code, audit.stdout + audit.stderr).to.equal(0);
      expect(audit.stdout).to.contain('3 keys are as they were').and.to.contain('1 were changed');
    } finally {
      await night.end();
      await stage.end();
    }
  });
});
