/** What a plan says of a target: what it holds, who writes there, who is let in. */
import { expect } from 'chai';
import { EtcdClient } from '../../src/wire/client.js';
import { Gate } from '../access/gate.js';
import { commandsFor, lock, USER } from '../access/rights.js';
import { tempDir } from '../base/sources.js';
import { run } from '../cli/run.js';
import { fingerprint, PODS, Stage, type Seeded } from '../cli/stage.js';
import { Authority } from '../rig/certs.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import { expectCheck, planOf } from './make.js';

describe('plan: target', () => {
  let stage: Stage;
  let seeded: Seeded;
  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
  });
  after(() => stage.end());

  const ask = async (target: Etcd | string, prefixes = [PODS]) =>
    planOf({
      source: stage.source.endpoint,
      target: typeof target === 'string' ? target : target.endpoint,
      prefixes,
    });

  async function putOn(etcd: Etcd, key: string, value = 'x'): Promise<void> {
    const client = new EtcdClient(etcd.endpoint, 'target');
    const put = { requestPut: { key: Buffer.from(key), value: Buffer.from(value) } };
    await client.txn({ success: [put] });
    client.close();
  }

  it('none that answers: as it should be before the restore', async () => {
    const plan = await ask('http://127.0.0.1:1');
    expectCheck(plan, 'target health', 'warn', /before the base is restored/);
    expectCheck(plan, 'target stock', 'not asked');
    expectCheck(plan, 'target versions', 'not asked');
    expect(plan.estimates.freezeSeconds).to.equal(null);
    expect(plan.overrides).to.equal('/pods#http://127.0.0.1:1');
  });

  it('its peer port: not asked, answering, or why not; and it stays as it was', async () => {
    const target = await stage.etcd(seeded.base);
    const before = await fingerprint(target);
    const at = { source: stage.source.endpoint, target: target.endpoint, prefixes: [PODS] };
    expectCheck(await planOf(at), 'peer port', 'not asked', /--dest-peers/);
    const members = { ...at, peers: { urls: 'members' as const } };
    expectCheck(await planOf(members), 'peer port', 'ok', new RegExp(`:${target.peerPort}:`));
    const wrong = { ...at, peers: { urls: [target.endpoint] } };
    expectCheck(
      await planOf(wrong),
      'peer port',
      'warn',
      /no etcd's peer port answers there.*2380/,
    );
    expect(await fingerprint(target)).to.deep.equal(before);
  });

  it('an empty one, and one that somebody uses', async () => {
    const target = await stage.etcd();
    const plan = await ask(target);
    expectCheck(plan, 'target stock', 'ok', /empty.*restore the base/i);
    expectCheck(plan, 'target health', 'ok');
    expectCheck(plan, 'target versions', 'ok');
    expectCheck(plan, 'target space', 'ok', /to come/);
    expect(plan.estimates.freezeSeconds).to.be.within(0.5, 5);
    await putOn(target, 'mine');
    expectCheck(await ask(target), 'target stock', 'stop', /the first is mine.*somebody else/);
    await putOn(target, 'etcd-lockstep/mirror/1:a:b', '{}');
    expectCheck(await ask(target), 'target stock', 'stop', /plain mirror/);
  });

  it('ours: at its revision, of other prefixes, of another source; and it stays as it was', async () => {
    const target = await stage.etcd(seeded.base);
    const before = await fingerprint(target);
    await stage.foreign(3);
    expectCheck(await ask(target), 'target stock', 'ok', /at revision 2, 3 behind/);
    expectCheck(
      await ask(target, ['/registry/events/']),
      'target stock',
      'stop',
      /this plan is for/,
    );
    const other = await Stage.start();
    await other.put(`${PODS}a`);
    const asked = { source: other.source.endpoint, target: target.endpoint, prefixes: [PODS] };
    const elsewhere = await planOf(asked);
    await other.end();
    expectCheck(elsewhere, 'target stock', 'stop', /TARGET_OTHER_SOURCE/);
    expect(await fingerprint(target)).to.deep.equal(before);
  });

  it('ours, and an apiserver has written there: named, exit code 1', async () => {
    const target = await stage.etcd(seeded.base);
    await putOn(target, 'compact_rev_key', '5');
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const { code, stdout } = await run(['plan', ...ends, '--sample', '0.1']);
    expect(code).to.equal(1);
    expect(stdout)
      .to.match(/STOP +target stock/)
      .and.to.match(/TARGET_HEAD_OFF/);
    expect(stdout.replace(/\s+/g, ' ')).to.contain('compact_rev_key: an apiserver uses it');
    expect(stdout).to.contain('STOP: mend this first: target stock.');
  });

  it('source and target by the same name are refused', async () => {
    const same = ['--endpoints', stage.source.endpoint, '--dest-endpoints', stage.source.endpoint];
    expect((await run(['plan', ...same])).code).to.equal(2);
  });
});

describe('plan: who is let in', () => {
  const dir = tempDir();

  it("the source's certificates open the target, or they do not", async () => {
    const ca = await Authority.create(dir, 'ca');
    const otherCa = await Authority.create(dir, 'other');
    const names = ['IP:127.0.0.1', 'DNS:localhost'];
    const client = await ca.client('apiserver');
    const [mine, theirs] = [await ca.server(names), await otherCa.server(names)];
    const otherClient = await otherCa.client('apiserver');
    const rig = { clientCa: ca.cert, ca: ca.cert, client };
    const source = await Etcd.start({ tls: { ...mine, ...rig } });
    const good = await Etcd.start({ tls: { ...mine, ...rig } });
    const bad = await Etcd.start({
      tls: { ...theirs, clientCa: otherCa.cert, ca: otherCa.cert, client: otherClient },
    });
    const plain = await Etcd.start();
    const as = (etcd: Etcd, cacert: string, pair: { cert: string; key: string }) => ({
      ...{ endpoints: [etcd.endpoint], tls: { cacert, cert: pair.cert, key: pair.key } },
    });
    const from = as(source, ca.cert, client);
    const fine = await planOf({ source: from, target: as(good, ca.cert, client) });
    expectCheck(fine, 'credentials', 'ok', /open the target/);
    expectCheck(fine, 'clocks', 'ok', /tell their time: 2;/);
    const wrong = await planOf({ source: from, target: as(bad, otherCa.cert, otherClient) });
    expectCheck(wrong, 'credentials', 'stop', /does not open the target.*trusted-ca-file/);
    expectCheck(wrong, 'target stock', 'ok', /empty/);
    const open = await planOf({ source: from, target: plain.endpoint });
    expectCheck(open, 'credentials', 'warn', /without TLS/);
    await lock(new Gate(good), commandsFor('target'));
    const user = { name: USER.user, password: USER.password };
    const [there, here] = [from, as(good, ca.cert, client)].map((side) => ({ ...side, user }));
    const byUser = await planOf({ source: there!, target: here!, prefixes: [PODS] });
    expectCheck(byUser, 'credentials', 'not asked', /wants a user.*apiservers' own files/);
    const byName = await planOf({ source: from, target: here!, prefixes: [PODS] });
    expectCheck(byName, 'credentials', 'stop', /user name is empty|permission denied|not exist/);
    await Promise.all([source, good, bad, plain].map((etcd) => etcd.remove()));
  });

  it('a user who may read the prefix only: the rest is unknown, and said to be', async function () {
    if (!haveVersion('3.5.30')) this.skip();
    const source = await Etcd.start({ version: '3.5.30' });
    await source.ctl('put', `${PODS}a`, 'x');
    await source.ctl('put', '/registry/secrets/a', 'x');
    for (const command of [
      ...['role add r', `role grant-permission r read ${PODS} --prefix`],
      ...['user add root:pw', 'user grant-role root root', 'user add u:pw', 'user grant-role u r'],
      'auth enable',
    ])
      await source.ctl(...command.split(' '));
    const user = { name: 'u', password: 'pw' };
    const at = { endpoints: [source.endpoint], user };
    const plan = await planOf({ source: at, prefixes: [PODS] });
    expect(plan.folders.map(({ folder, activity }) => [folder, activity])).to.deep.equal([
      [PODS, null],
    ]);
    expect(plan.rates.everything).to.equal(false);
    expectCheck(plan, 'source health', 'not asked', /root only/);
    expectCheck(plan, 'source versions', 'ok', /3\.5\.30/);
    expect((await planOf({ source: at })).prefixes).to.deep.equal([PODS]);
    const revoke = `--user root:pw role revoke-permission r ${PODS} --prefix`;
    await source.ctl(...revoke.split(' '));
    const unnamed: unknown = await planOf({ source: at }).catch((e: unknown) => e);
    expect(unnamed).to.have.property('code', 'PERMISSION');
    expect(unnamed).to.have.property('hint').that.contains('name what this user may read');
    await source.remove();
  });
});
