/** What an audit answers where there is nothing to compare, and where the target is above the source. */
import { expect } from 'chai';
import { audit } from '../../src/audit/audit.js';
import type { Difference } from '../../src/audit/report.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { EtcdClient } from '../../src/wire/client.js';
import * as contract from '../cli/contract.js';
import { errorOf, run, whole, type Ended } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import type { Etcd } from '../rig/etcd.js';

function read(ended: Ended) {
  const lines = whole(ended.stdout);
  const { report } = contract.auditReport.parse(lines.pop());
  return {
    report,
    differences: lines.map((line) => contract.auditDifference.parse(line).difference),
  };
}

describe('an audit of nothing', () => {
  const POD = '/registry/pod/';
  const LEASES = '/registry/leases/';
  let stage: Stage;
  let target: Etcd;
  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    await stage.put(`${LEASES}a`);
    target = await stage.etcd((await stage.seed({ prefixes: [LEASES, PODS] })).base);
  });
  after(() => stage.end());

  const audited = (...more: string[]) =>
    run([
      ...['audit', '--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint],
      ...['-w', 'json', ...more],
    ]);

  it('NOTHING_COMPARED, exit 2, by its prefix; --allow-empty for those who mean it', async () => {
    for (const more of [[], ['--history']]) {
      const ended = await audited('--prefix', POD, ...more);
      expect(ended.code, ended.stdout).to.equal(2);
      expect(ended.stdout).to.equal('');
      expect(errorOf(ended).code).to.equal('NOTHING_COMPARED');
      expect(errorOf(ended).message).to.contain(JSON.stringify(POD));
    }
    const meant = await audited('--prefix', POD, '--allow-empty');
    expect(meant.code, meant.stderr).to.equal(0);
  });

  it('one of several, where the cursor does not speak of them', async () => {
    const ended = await audited('--prefix', `${PODS},${POD}`);
    expect(ended.code, ended.stdout).to.equal(2);
    expect(errorOf(ended).message).to.contain(POD).and.not.to.contain(PODS);
  });

  it("without --prefix: the cursor's, so that none is forgotten", async () => {
    const ended = await audited();
    expect(ended.code, ended.stderr).to.equal(0);
    const { report } = read(ended);
    expect(report.prefixes).to.deep.equal([LEASES, PODS]);
    expect(report.source.keys).to.equal(2);
    expect(report.cursor?.agrees).to.equal(true);
  });

  it('without --prefix, and without a cursor: BAD_ARGUMENT', async () => {
    const empty = await stage.etcd();
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', empty.endpoint];
    const ended = await run(['audit', ...ends, '-w', 'json']);
    expect(ended.code).to.equal(2);
    expect(errorOf(ended).code).to.equal('BAD_ARGUMENT');
    expect(errorOf(ended).message).to.match(/--prefix missing, and the target has no cursor/);
  });

  it("a prefix of the cursor's that is empty by now is none to stumble over", async () => {
    const prefixes = [PODS, '/registry/jobs/'];
    const seeded = await stage.seed({ prefixes });
    const other = await stage.etcd(seeded.base);
    const ended = await stage.audit(other, '--prefix', '/registry/jobs/');
    expect(ended.code, ended.stderr).to.equal(0);
    // Nothing at all is still nothing, whoever vouches for it.
    const nothing = await stage.etcd((await stage.seed({ prefixes: [POD] })).base);
    const refused = await run([
      ...['audit', '--endpoints', stage.source.endpoint, '--dest-endpoints', nothing.endpoint],
      ...['-w', 'json'],
    ]);
    expect(errorOf(refused).code).to.equal('NOTHING_COMPARED');
  });

  it('of a mirror', async () => {
    const to = await stage.etcd();
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', to.endpoint];
    const args = [...ends, '--prefix', POD, '-w', 'json', '--allow-empty'];
    expect((await run(['mirror', ...args, '--until-synced'])).code).to.equal(0);
    expect((await run(['audit', ...args, '--values'])).code).to.equal(0);
    const ended = await run(['audit', ...args.slice(0, -1), '--values']);
    expect(ended.code).to.equal(2);
    expect(errorOf(ended).code).to.equal('NOTHING_COMPARED');
  });
});

describe('an audit of a target that is above an idle source', () => {
  let stage: Stage;
  let base: string;
  let head: number;
  before(async () => {
    stage = await Stage.start();
    for (const name of ['a', 'b', 'c']) await stage.put(`${PODS}${name}`);
    const seeded = await stage.seed();
    base = seeded.base;
    head = seeded.sealed.head;
  });
  after(() => stage.end());

  it('no, and which keys: changed, new, deleted, of others; exit 1', async () => {
    const target = await stage.etcd(base);
    await target.ctl('put', `${PODS}a`, 'secret-marker');
    await target.ctl('put', '/registry/events/e', 'v');
    await target.ctl('del', `${PODS}b`);
    const ended = await stage.audit(target);
    expect(ended.code, ended.stderr).to.equal(1);
    expect(ended.stderr).to.equal('');
    const { report, differences } = read(ended);
    const extra = { kind: 'extra on target', fields: [] };
    expect(differences).to.deep.equal([
      { ...extra, key: `${PODS}a`, revision: head + 1 },
      { ...extra, key: '/registry/events/e', revision: head + 2 },
      { ...extra, key: `${PODS}b`, revision: head + 3 },
    ]);
    expect(report).to.deep.include({ equal: false, revision: head, differences: 3 });
    expect(report.ahead).to.deep.equal({ source: head, target: head + 3 });
  });

  it('says that somebody else writes there', async () => {
    const target = await stage.etcd(base);
    await target.ctl('put', '/registry/events/e', 'v');
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const { code, stdout } = await run(['audit', ...ends]);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^extra on target at revision \d+: "\/registry\/events\/e"$/m);
    expect(stdout).to.match(/^DIFFERENT at revision/m);
    expect(stdout).to.contain('somebody else writes to the target');
  });

  it('one that is at the same head is not above', async () => {
    const target = await stage.etcd(base);
    const ended = await stage.audit(target, '--history');
    expect(ended.code, ended.stdout).to.equal(0);
    expect(read(ended).report.ahead).to.equal(null);
  });

  it('who may read the prefix only hears of the prefix, and of the head', async () => {
    const target = await stage.etcd(base);
    await target.ctl('put', '/registry/events/e', 'v');
    await target.ctl('put', `${PODS}a`, 'v');
    const USERS = [
      ['user', 'add', 'root:r'],
      ['user', 'grant-role', 'root', 'root'],
      ['role', 'add', 'reader'],
      ['role', 'grant-permission', 'reader', 'read', PODS, '--prefix'],
      ['role', 'grant-permission', 'reader', 'read', 'etcd-lockstep/', '--prefix'],
      ['user', 'add', 'reader:r'],
      ['user', 'grant-role', 'reader', 'reader'],
      ['auth', 'enable'],
    ];
    for (const args of USERS) await target.ctl(...args);
    const connection = { endpoints: [target.endpoint], tls: {} };
    const user = { name: 'reader', password: 'r' };
    const client = new EtcdClient({ ...connection, user }, 'target');
    const found: Difference[] = [];
    const report = await audit({
      ...{ source: stage.client, target: client, prefixes: PrefixSet.of([PODS]), history: false },
      onDifference: (difference) => found.push(difference),
      signal: AbortSignal.timeout(20_000),
    });
    client.close();
    expect(report.equal).to.equal(false);
    expect(found.map(({ key }) => key)).to.deep.equal([`${PODS}a`]);
  });

  it('compacted above the source: TARGET_HEAD_OFF, exit 5', async () => {
    const target = await stage.etcd(base);
    await target.ctl('put', '/registry/events/e', 'v');
    await target.ctl('compact', `${head + 1}`);
    const ended = await stage.audit(target);
    expect(ended.code, ended.stderr).to.equal(5);
    expect(errorOf(ended).code).to.equal('TARGET_HEAD_OFF');
  });
});
