/** Pods that are encrypted at rest: they are moved as they lie there, and every apiserver reads them as before. */
import { expect } from 'chai';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../cli/run.js';
import { removeAtExit } from '../rig/child.js';
import { describeKube } from './binaries.js';
import { findings, NOTHING } from './findings.js';
import { Move, podRows } from './move.js';
import { cutoverReport, freezeText, rollbackReport } from './reports.js';
import { Scene } from './scene.js';

const ENCRYPTED = 'k8s:enc:aescbc:v1:key1:';

function writeEncryption(): string {
  const dir = mkdtempSync(join(tmpdir(), 'kube-encryption-'));
  removeAtExit(dir);
  const path = join(dir, 'encryption.json');
  const keys = [{ name: 'key1', secret: randomBytes(32).toString('base64') }];
  const config = {
    ...{ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration' },
    resources: [{ resources: ['pods'], providers: [{ aescbc: { keys } }, { identity: {} }] }],
  };
  writeFileSync(path, JSON.stringify(config)); // JSON is YAML
  return path;
}

describeKube('pods that are encrypted at rest', () => {
  let scene: Scene;
  let move: Move;

  before(async () => {
    scene = await Scene.start({ args: [`--encryption-provider-config=${writeEncryption()}`] });
    move = await Move.begin(scene);
  });
  after(async () => {
    await move.end();
    await scene.end();
  });

  it('plan says so; cut over, every row is as it was, and all of them are read', async () => {
    const { source, target } = move.lockstep;
    const plan = await run(['plan', '--endpoints', source.endpoint, '--sample', '1']);
    expect(plan.stdout).to.contain('aescbc:v1:key1');
    await scene.workload.more(100);
    const ended = await move.run('cutover');
    expect(ended.code, ended.stderr).to.equal(0);
    const report = cutoverReport(ended);
    console.log(`      ${freezeText(report)}`);
    expect(report.alarms).to.deep.equal([]);
    const rows = await podRows(source, report.exact);
    expect(rows.length).to.be.greaterThan(0);
    expect(rows.filter((row) => !row.includes(ENCRYPTED))).to.deep.equal([]);
    expect(await podRows(target, report.exact)).to.deep.equal(rows);
    await scene.workload.more(100);
    await scene.workload.stop();
    expect(await findings(scene)).to.deep.equal(NOTHING);
  });

  it('and back: what was written to them meanwhile is read on the source again', async () => {
    const back = await move.run('rollback');
    expect(back.code, back.stderr).to.equal(0);
    expect(rollbackReport(back).alarms).to.deep.equal([]);
    expect(await findings(scene)).to.deep.equal(NOTHING);
  });
});
