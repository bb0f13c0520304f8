/**
 * What an audit finds: each kind of damage on a copy of a target, made with etcdctl.
 *
 * A copy is the base, restored once more. Writing into it raises its head, so the source's head is
 * raised first: an audit compares at a revision that both sides have.
 */
import { expect } from 'chai';
import type { AuditReport, Difference } from '../../src/audit/report.js';
import { EtcdClient } from '../../src/wire/client.js';
import * as contract from '../cli/contract.js';
import { run, whole, type Ended } from '../cli/run.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';
import type { Etcd } from '../rig/etcd.js';

const SECRET = 'c2VjcmV0-marker';
const ROOM = 400;

describe('audit', () => {
  let stage: Stage;
  let seeded: Seeded;

  before(async () => {
    stage = await Stage.start();
    for (const name of ['a', 'b', 'c', 'd']) await stage.put(`${PODS}${name}`, `${SECRET} ${name}`);
    await stage.put(`${PODS}b`, `${SECRET} again`);
    seeded = await stage.seed();
    await stage.foreign(ROOM);
  });
  after(() => stage.end());

  async function damaged(...writes: string[][]): Promise<Etcd> {
    const target = await stage.etcd(seeded.base);
    for (const args of writes) await target.ctl(...args);
    return target;
  }

  it('equal: exit 0, and the cursor agrees', async () => {
    const ended = await stage.audit(await damaged(), '--history');
    expect(ended.code).to.equal(0);
    const { differences, report } = read(ended);
    expect(differences).to.be.empty;
    expect(report.equal).to.equal(true);
    expect(report.revision).to.equal(seeded.sealed.head);
    expect(report.cursor?.agrees).to.equal(true);
    expect(report.source.checksum).to.equal(report.target.checksum);
    expect(report.source.keys).to.equal(4);
    expect(report.history).to.deep.equal({ after: 1, events: 5, differences: 0 });
  });

  it('value, version and mod_revision differ after a put', async () => {
    const target = await damaged(['put', `${PODS}a`, `${SECRET} x`]);
    expect(await differences(target)).to.deep.equal([
      { key: `${PODS}a`, kind: 'different', fields: ['value', 'mod_revision', 'version'] },
    ]);
  });

  it('the same value written again still differs in version and mod_revision', async () => {
    const target = await damaged(['put', `${PODS}a`, `${SECRET} a`]);
    expect(await differences(target)).to.deep.equal([
      { key: `${PODS}a`, kind: 'different', fields: ['mod_revision', 'version'] },
    ]);
  });

  it('deleted and made again: create_revision differs, too', async () => {
    const target = await damaged(['del', `${PODS}b`], ['put', `${PODS}b`, `${SECRET} again`]);
    expect(await differences(target)).to.deep.equal([
      {
        key: `${PODS}b`,
        kind: 'different',
        fields: ['mod_revision', 'create_revision', 'version'],
      },
    ]);
  });

  it('a lease differs', async () => {
    const target = await damaged(
      ['lease', 'grant', '600', '-w', 'json'],
      ['put', `${PODS}c`, `${SECRET} c`],
    );
    const [, lease = ''] = (await target.ctl('lease', 'list')).trim().split('\n');
    await target.ctl('put', `${PODS}c`, `${SECRET} c`, `--lease=${lease}`);
    const [difference] = await differences(target);
    expect(difference?.fields).to.deep.equal(['mod_revision', 'version', 'lease']);
  });

  it('missing and extra keys, before, between and behind the others', async () => {
    const target = await damaged(
      ['del', `${PODS}a`],
      ['del', `${PODS}d`],
      ['put', `${PODS}A`, 'v'],
      ['put', `${PODS}bb`, 'v'],
      ['put', `${PODS}z`, 'v'],
    );
    expect(await differences(target)).to.deep.equal([
      { key: `${PODS}A`, kind: 'extra on target', fields: [] },
      { key: `${PODS}a`, kind: 'missing on target', fields: [] },
      { key: `${PODS}bb`, kind: 'extra on target', fields: [] },
      { key: `${PODS}d`, kind: 'missing on target', fields: [] },
      { key: `${PODS}z`, kind: 'extra on target', fields: [] },
    ]);
  });

  it('text lists a hundred and says how many more, JSON lists all', async () => {
    const target = await damaged();
    await putExtra(target, 150);
    expect(await differences(target)).to.have.lengthOf(150);

    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const text = await run(['audit', ...ends, '--prefix', PODS]);
    expect(text.code).to.equal(1);
    expect(text.stdout.match(/^extra on target: /gm)).to.have.lengthOf(100);
    expect(text.stdout).to.contain('… and 50 more').and.to.contain('DIFFERENT at revision');
    expect(text.stdout).to.contain('150 differences');
    expect(text.stdout + text.stderr).not.to.contain(SECRET);
  });

  it('a key that is no UTF-8 is named exactly', async () => {
    const target = await damaged();
    const body = JSON.stringify({ key: Buffer.from(`${PODS}\xff`, 'latin1').toString('base64') });
    await fetch(`${target.endpoint}/v3/kv/put`, { method: 'POST', body });
    const [difference] = await differences(target);
    expect(difference?.key).to.equal(`${PODS}\ufffd`);
    expect(Buffer.from(difference?.keyBase64 ?? '', 'base64').toString('latin1')).to.equal(
      `${PODS}\xff`,
    );
  });

  it('rows that are right under a cursor that is not', async () => {
    const target = await damaged();
    const cursor = JSON.parse(
      await target.ctl('get', 'etcd-lockstep/cursor', '--print-value-only'),
    ) as object;
    const value = JSON.stringify({ ...cursor, checksum: '0123456789abcdef' });
    await target.ctl('put', 'etcd-lockstep/cursor', value);
    const ended = await stage.audit(target);
    expect(ended.code).to.equal(1);
    const { differences, report } = read(ended);
    expect(differences).to.be.empty;
    expect(report).to.deep.include({ equal: false, differences: 0 });
    expect(report.cursor).to.deep.include({ agrees: false, checksum: '0123456789abcdef' });
  });

  it('a prefix that the cursor does not speak of: compared without it', async () => {
    const target = await damaged();
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const ended = await run(['audit', ...ends, '--prefix', `${PODS}a`, '-w', 'json']);
    expect(ended.code).to.equal(0);
    expect(read(ended).report.cursor).to.equal(null);
  });

  /** All differences that an audit names; checks what must hold whatever they are. */
  async function differences(target: Etcd): Promise<Difference[]> {
    const ended = await stage.audit(target);
    expect(ended.code, ended.stderr).to.equal(1);
    const { differences, report } = read(ended);
    expect(report.equal).to.equal(false);
    expect(report.differences).to.equal(differences.length);
    return differences;
  }
});

async function putExtra(target: Etcd, keys: number): Promise<void> {
  const client = new EtcdClient(target.endpoint, 'target');
  for (let i = 0; i < keys; i++) {
    const key = Buffer.from(`${PODS}extra-${i}`);
    await client.txn({ success: [{ requestPut: { key, value: Buffer.from(SECRET) } }] });
  }
  client.close();
}

/** The lines of `audit -w json`, which never hold a value. */
function read(ended: Ended): { differences: Difference[]; report: AuditReport } {
  expect(ended.stdout + ended.stderr).not.to.contain(SECRET);
  const lines = whole(ended.stdout);
  const { report } = contract.auditReport.parse(lines.at(-1));
  const differences = lines
    .slice(0, -1)
    .map((line) => contract.auditDifference.parse(line).difference as Difference);
  return { differences, report };
}
