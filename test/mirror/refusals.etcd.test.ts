/** What mirror refuses before it changes anything; and the audit of a mirror. */
import { expect } from 'chai';
import type { Difference } from '../../src/audit/report.js';
import { auditValues, type ValuesReport } from '../../src/audit/values.js';
import { LockstepError, type ErrorCode } from '../../src/errors.js';
import { KeyMap } from '../../src/mirror/keymap.js';
import { mirrorKey } from '../../src/mirror/mirrorcursor.js';
import { fingerprint } from '../cli/stage.js';
import { del, Pair, put, type MirrorFlags } from './pair.js';

describe('mirror refuses, and changes nothing:', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
    await pair.fill('/a/', 10);
  });
  after(() => pair.end());

  async function refused(map: KeyMap, flags: MirrorFlags, code: ErrorCode, says: RegExp) {
    const before = [await fingerprint(pair.source), await fingerprint(pair.target)];
    const error: unknown = await pair.sync(map, flags).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(LockstepError);
    const { code: got, message, hint } = error as LockstepError;
    expect(got, message).to.equal(code);
    expect(message).to.match(says);
    expect(hint).to.match(/\w{3}.*\.$/);
    expect([await fingerprint(pair.source), await fingerprint(pair.target)]).to.deep.equal(before);
  }

  it('a cluster onto itself', async () => {
    const self = { target: pair.source.endpoint };
    for (const map of [new KeyMap('/a/'), new KeyMap('/a/', '/a/b/'), new KeyMap('/a/', '')])
      await refused(map, self, 'SAME_ETCD', /same etcd: cluster .* against itself/);
  });

  it('--prune over the whole target', () =>
    refused(new KeyMap('/a/', ''), { prune: true }, 'BAD_ARGUMENT', /--prune over the whole/));

  it('a --rev that is compacted, or in the future', async () => {
    await refused(new KeyMap('/a/'), { rev: 1000 }, 'BAD_ARGUMENT', /in the future/);
    await pair.loseHistory();
    await refused(new KeyMap('/a/'), { rev: 2 }, 'BAD_ARGUMENT', /has compacted/);
  });

  it('a target in lockstep', async () => {
    await pair.to.txn({ success: [put('etcd-lockstep/cursor', '{}')] });
    await refused(new KeyMap('/a/'), {}, 'TARGET_IN_LOCKSTEP', /is in lockstep/);
    await pair.to.txn({ success: [del('etcd-lockstep/cursor')] });
  });

  it('prefixes over our own keys', () => {
    for (const dest of ['etcd-', 'etcd-lockstep/x/'])
      expect(() => new KeyMap('/a/', dest)).to.throw(LockstepError, dest);
  });
});

describe('audit --values', () => {
  let pair: Pair;
  const map = new KeyMap('/src/', '/dst/');
  before(async () => {
    pair = await Pair.start();
    await pair.from.leaseGrant(5n, 600);
    await pair.fill('/src/', 300);
    await pair.write(put('/src/leased', 'v', 5n));
  });
  after(() => pair.end());

  async function audit(): Promise<{ report: ValuesReport; differences: Difference[] }> {
    const differences: Difference[] = [];
    const report = await auditValues({
      ...{ source: pair.from, target: pair.to, map, signal: AbortSignal.timeout(20_000) },
      onDifference: (difference) => differences.push(difference),
    });
    return { report, differences };
  }

  async function code(): Promise<string> {
    return audit().then(
      () => 'none',
      (error: unknown) => (error as LockstepError).code,
    );
  }

  it('without a mirror: says so', async () => {
    expect(await code()).to.equal('TARGET_NOT_OURS');
  });

  it('while the mirror runs and the source is written: equal', async () => {
    const running = pair.running(map);
    await running.caughtUp(pair);
    const stop = new AbortController();
    const writer = (async () => {
      for (let i = 0; !stop.signal.aborted; i++)
        await pair.write(put(`/src/000${100 + (i % 100)}`, `${i}`));
    })();
    for (let i = 0; i < 5; i++) {
      const { report } = await audit();
      expect(report).to.include({ equal: true, differences: 0, foreign: 0 });
      expect(report.source.keys).to.equal(301);
      expect(report.target.keys).to.equal(301);
      expect(report.compared).to.deep.equal(['value', 'lease']);
    }
    stop.abort();
    await writer;
    await running.stop();
  });

  it('finds what was planted: a value, a lease, a key too few, one too many', async () => {
    await pair.to.txn({
      success: [
        put('/dst/000001', 'planted'),
        put('/dst/leased', 'v'),
        del('/dst/000002'),
        put('/dst/planted'),
      ],
    });
    const { report, differences } = await audit();
    expect(report).to.include({ equal: false, differences: 4 });
    expect(differences).to.deep.equal([
      { key: '/dst/000001', kind: 'different', fields: ['value'] },
      { key: '/dst/000002', kind: 'missing on target', fields: [] },
      { key: '/dst/leased', kind: 'different', fields: ['lease'] },
      { key: '/dst/planted', kind: 'extra on target', fields: [] },
    ]);
  });

  it('a key that the mirror knows to be foreign is told apart', async () => {
    await pair.sync(map);
    const { report } = await audit();
    expect(report).to.include({ equal: true, differences: 0, foreign: 1 });
  });

  it('where the mirror stands above the source, which was restored: no reason to wait', async () => {
    const cursor = await pair.cursor(map);
    const { clusterId } = await pair.from.status();
    const key = mirrorKey(clusterId, map).toString();
    const set = async (revision: number) =>
      pair.to.txn({ success: [put(key, JSON.stringify({ ...cursor, revision }))] });
    await set((await pair.from.head()).revision + 100);
    expect(await code()).to.equal('MIRROR_OTHER_SOURCE');
    await set(cursor?.revision ?? 0);
    expect(await code()).to.equal('none');
  });

  it('where the mirror stands the source has been compacted: says so', async () => {
    await pair.loseHistory();
    expect(await code()).to.equal('COMPACTED_MEANWHILE');
  });
});
