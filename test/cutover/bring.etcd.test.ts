/**
 * Bringing back: whatever was done on both sides after the takeover, the source has the target's
 * content in the end, and no revision went backwards.
 *
 * Two etcds are kept in step by hand: the same transaction to each, which is what lockstep makes of
 * them. Each run has a prefix of its own.
 *
 * What it catches. Each of these was put into bringkeys.ts, raise.ts or sameleases.ts, found, and taken out
 * again:
 *   brought rows brought again; rows held for the same by their length; no guard of the row as seen
 *   a lease not granted, not put, not compared; the margin left out
 *   late deletions, or late writes after the marker, not named; writes still under way at the end
 *   fillers, or what is brought, without the marker's guard; a marker that stays
 *   a marker that a later run does not put anew, or that an earlier one takes away
 */
import { expect } from 'chai';
import fc from 'fast-check';
import { bringBack, compareContent, type Brought } from '../../src/cutover/bringkeys.js';
import { mark, raiseSource, unmark, type Marker } from '../../src/cutover/raise.js';
import { parseKeyValue, type KeyValue } from '../../src/mvcc/keyvalue.js';
import { OWN_PREFIX, prefixRange, PrefixSet } from '../../src/mvcc/prefix.js';
import { askHeads } from '../../src/proof/servedfrom.js';
import { put } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import type { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';
import { failure, MeddledClient, until } from './pair.js';

const RUNS = 20;
const KEYS = 8;
const MARGIN = 20;
/** Tells the marker of this night from another's. */
const EXACT = 7;
const NONE: Marker = { created: 0, guard: {} };
const LEASE = 0x7000_0000_0000_0001n;
const never = new AbortController().signal;

interface Change {
  key: number;
  kind: 'put' | 'put with a lease' | 'delete';
}

interface Life {
  /** In lockstep. */
  before: Change[];
  /** After the takeover. */
  target: Change[];
  /** After the takeover, on the source: before the marker was put there, and after. */
  late: Change[];
  later: Change[];
  /** After so many writes the first run is killed. */
  killedAfter: number;
}

const change = fc.record<Change>({
  key: fc.nat(KEYS - 1),
  kind: fc.constantFrom('put', 'put', 'put with a lease', 'delete'),
});
const life = fc.record<Life>({
  before: fc.array(change, { minLength: 4, maxLength: 16 }),
  target: fc.array(change, { maxLength: 8 }),
  late: fc.array(change, { maxLength: 3 }),
  later: fc.array(change, { maxLength: 1 }),
  killedAfter: fc.oneof(fc.nat(6), fc.constant(Infinity)),
});

describe('bringing back', () => {
  let source: Etcd;
  let target: Etcd;
  let from: MeddledClient;
  let to: EtcdClient;
  let runs = 0;
  let prefix: string;
  let value = 0;
  before(async () => {
    [source, target] = await Promise.all([Etcd.start(), Etcd.start()]);
    from = new MeddledClient(source.endpoint, 'source');
    to = new EtcdClient(target.endpoint, 'target');
  });
  after(async () => {
    from.close();
    to.close();
    await Promise.all([source.remove(), target.remove()]);
  });

  const heads = () => askHeads(from, to, Buffer.from('/'));
  const nameOf = (key: number) => `${prefix}${key}`;

  /** Both heads at the same revision, and a prefix that nobody has used. */
  async function inStep(): Promise<void> {
    prefix = `/registry/run-${++runs}/`;
    from.meddle = undefined;
    const { source: there, target: here } = await heads();
    const foreign = { success: [put(Buffer.from('/foreign'), Buffer.from('v'))] };
    const [behind, by] = there < here ? [from, here - there] : [to, there - here];
    await Promise.all(Array.from({ length: by }, () => behind.txn(foreign)));
    await Promise.all(
      [from, to].map((client) => client.leaseGrant(LEASE, 600).catch(() => undefined)),
    );
  }

  function opOf({ key, kind }: Change): pb.RequestOp.$Properties {
    const name = Buffer.from(nameOf(key));
    if (kind === 'delete') return { requestDeleteRange: { key: name } };
    return put(name, Buffer.from(`${++value}`), kind === 'put' ? 0n : LEASE);
  }

  async function write(changes: readonly Change[], ...clients: EtcdClient[]): Promise<void> {
    for (const one of changes) {
      const op = opOf(one);
      for (const client of clients) await client.txn({ success: [op] });
    }
  }

  async function rows(client: EtcdClient): Promise<Map<string, KeyValue>> {
    const { rows: found } = await client.range(prefixRange(prefix));
    return new Map(
      found.map((row) => {
        const kv = parseKeyValue(row);
        return [kv.key.toString(), kv];
      }),
    );
  }

  const options = (exact: number, marker: Marker) => ({
    ...{ source: from, target: to, prefixes: PrefixSet.of([prefix]), exact, marker },
    onProgress: () => undefined,
    signal: never,
  });

  const text = (kv: KeyValue | undefined) =>
    kv && [kv.value.toString(), kv.lease, kv.createRevision, kv.modRevision, kv.version].join();
  const content = (kv: KeyValue | undefined) => kv && [kv.value.toString(), kv.lease].join();

  async function live({ before, target: here, late, later, killedAfter }: Life): Promise<void> {
    await inStep();
    await write(before, from, to);
    const { source: exact } = await heads();
    await write(here, to);
    await write(late, from);
    const marker = await mark(from, 'run', EXACT);
    await write(later, from);
    await raiseSource(from, heads, { marker, margin: MARGIN, signal: never });
    const raised = await heads();
    expect(raised.source).to.be.within(raised.target + MARGIN, raised.target + MARGIN + 64);
    const [there, wanted] = [await rows(from), await rows(to)];

    // What has to be written, and which late writes that replaces.
    const names = [...new Set([...there.keys(), ...wanted.keys()])].sort();
    const changed = names.filter((name) => text(there.get(name)) !== text(wanted.get(name)));
    const isLate = (name: string) => {
      const [old, now] = [there.get(name), wanted.get(name)];
      return old ? old.modRevision > exact : (now?.createRevision ?? exact + 1) <= exact;
    };

    let written = 0;
    from.meddle = async (send, _) => {
      if (written === killedAfter) throw new Error('killed');
      written++;
      return send();
    };
    const first = await bringBack(options(exact, marker)).catch(() => undefined);
    from.meddle = undefined;
    expect(first === undefined).to.equal(changed.length > killedAfter);
    expect((await heads()).source).to.equal(raised.source + written);
    const second = await bringBack(options(exact, marker));
    expect(second.put + second.deleted).to.equal(changed.length - written);
    expect(second.unchanged + second.put + second.deleted).to.equal(second.keys);
    expect((await heads()).source).to.equal(raised.source + changed.length);

    const found = await rows(from);
    for (const name of names) {
      expect(content(found.get(name)), name).to.equal(content(wanted.get(name)));
      if (!changed.includes(name)) expect(text(found.get(name))).to.equal(text(there.get(name)));
      else if (found.has(name))
        expect(found.get(name)?.modRevision).to.be.greaterThan(raised.source);
    }
    const replaced = (brought: Brought | undefined) => brought?.replaced.keys ?? [];
    if (written === 0 || first) {
      const named = first ? replaced(first) : replaced(second);
      expect(named).to.deep.equal(changed.filter(isLate));
      expect((first ?? second).replaced.count).to.equal(named.length);
    }
    const { keys, different } = await compareContent(options(exact, marker));
    expect(different).to.deep.equal([]);
    expect(keys).to.equal(wanted.size);
    await unmark(from, marker);
    expect((await from.range(prefixRange(OWN_PREFIX))).count).to.equal(0);
  }

  it('random lives, killed and run again: the same content, nothing twice, late writes by name', () =>
    fc.assert(fc.asyncProperty(life, live), { numRuns: RUNS }));

  it('a lease that the source does not know any more comes back under its id, with its time', async () => {
    await inStep();
    await write([{ key: 0, kind: 'put' }], from, to);
    const { source: exact } = await heads();
    await to.leaseGrant(5n, 1234);
    await to.txn({
      success: [0, 1, 2].map((key) => put(Buffer.from(nameOf(key)), Buffer.from('leased'), 5n)),
    });
    const marker = await mark(from, 'run', EXACT);
    await bringBack(options(exact, marker));
    expect(await from.leaseTtl(5n)).to.equal(1234);
    const { keys = [] } = (await from.leaseInfo(5n)) ?? {};
    expect(keys.map(String).sort()).to.deep.equal([0, 1, 2].map(nameOf));
    // Each has a revision of its own, as Kubernetes gives them.
    const revisions = [...(await rows(from)).values()].map(({ modRevision }) => modRevision);
    expect(new Set(revisions).size).to.equal(3);
    await unmark(from, marker);
  });

  it('written on the source meanwhile: WRITTEN_MEANWHILE by its key, nothing under way; the next run does it', async () => {
    await inStep();
    const all = Array.from({ length: KEYS }, (_, key): Change => ({ key, kind: 'put' }));
    await write(all, from, to);
    const { source: exact } = await heads();
    await write(all, to);
    const marker = await mark(from, 'run', EXACT);
    const looker = new EtcdClient(source.endpoint, 'source');
    let open = 0;
    from.meddle = async (send, _) => {
      open++;
      try {
        if (open === 1) await write([{ key: 0, kind: 'put' }], looker);
        return await send();
      } finally {
        open--;
      }
    };
    const error = await failure(bringBack(options(exact, marker)));
    expect(open).to.equal(0);
    from.meddle = undefined;
    expect(error).to.include({ code: 'WRITTEN_MEANWHILE', side: 'source' });
    expect(error.message).to.contain(`${nameOf(0)} `);
    const again = await bringBack(options(exact, marker));
    expect(again.replaced).to.deep.equal({ count: 1, keys: [nameOf(0)] });
    expect((await compareContent(options(exact, marker))).different).to.deep.equal([]);
    looker.close();
    await unmark(from, marker);
  });

  it('sent by a run that was killed, and late until the rollback is over: it has no effect', async () => {
    await inStep();
    const { source: exact } = await heads();
    await write([{ key: 0, kind: 'put' }], to);
    const marker = await mark(from, 'run', EXACT);
    let late: Parameters<NonNullable<typeof from.meddle>>[0] | undefined;
    from.meddle = (send) => {
      late = send;
      return Promise.reject(new Error('killed'));
    };
    await bringBack(options(exact, marker)).catch(() => undefined);
    from.meddle = undefined;
    expect(await bringBack(options(exact, marker))).to.include({ put: 1 });
    await unmark(from, marker);
    // It is let in again, and a client deletes what was brought: there is no row, as when it was sent.
    await write([{ key: 0, kind: 'delete' }], from);
    expect((await late?.())?.succeeded).to.equal(false);
    expect((await rows(from)).size).to.equal(0);
  });

  it('late writes by name: puts, deletions, and what came after the marker', async () => {
    await inStep();
    const all = [0, 1, 2, 3].map((key): Change => ({ key, kind: 'put' }));
    await write(all, from, to);
    const { source: exact } = await heads();
    await write([{ key: 3, kind: 'put' }], to);
    await write(
      [
        { key: 0, kind: 'put' },
        { key: 1, kind: 'delete' },
        { key: 4, kind: 'put' },
      ],
      from,
    );
    const marker = await mark(from, 'run', EXACT);
    await write([{ key: 2, kind: 'put' }], from);
    const brought = await bringBack(options(exact, marker));
    expect(brought).to.include({ keys: 5, put: 4, deleted: 1, unchanged: 0 });
    expect(brought.replaced).to.deep.equal({ count: 4, keys: [0, 1, 2, 4].map(nameOf) });
    await unmark(from, marker);
  });

  it('what differs is told by its key', async () => {
    await inStep();
    await write(
      [0, 1, 2].map((key) => ({ key, kind: 'put' })),
      from,
      to,
    );
    await write(
      [
        { key: 1, kind: 'put' },
        { key: 2, kind: 'delete' },
      ],
      from,
    );
    await write([{ key: 3, kind: 'put' }], to);
    const [leased, value] = [Buffer.from(nameOf(4)), Buffer.from('same')];
    await from.txn({ success: [put(leased, value)] });
    await to.txn({ success: [put(leased, value, LEASE)] });
    const { keys, different } = await compareContent(options(0, NONE));
    expect(keys).to.equal(5);
    expect(different).to.deep.equal([1, 2, 3, 4].map(nameOf));
  });

  it('aborted, it ends, with nothing under way', async () => {
    await inStep();
    await write(
      Array.from({ length: KEYS }, (_, key) => ({ key, kind: 'put' })),
      to,
    );
    const stop = new AbortController();
    const marker = await mark(from, 'run', EXACT);
    from.meddle = (send, _) => {
      stop.abort();
      return send();
    };
    const ended = bringBack({ ...options(0, marker), signal: stop.signal });
    expect(await ended.then(() => 'done', String)).to.contain('AbortError');
    from.meddle = undefined;
    await unmark(from, marker);
  });

  describe('the marker', () => {
    it('of two runs is the one of the last, and what the other has on its way is void', async () => {
      const [a, b] = await Promise.all([mark(from, 'a', EXACT), mark(from, 'b', EXACT)]);
      expect(a.created).to.equal(b.created);
      const held = async ({ guard }: Marker) =>
        (await from.txn({ compare: [guard], success: [] })).succeeded;
      const first = (await held(a)) ? 'a' : 'b';
      const [mine, other] = first === 'a' ? [a, b] : [b, a];
      expect(await held(other)).to.equal(false);
      expect(await mark(from, first, EXACT)).to.deep.equal(mine);
      // Whoever takes it over keeps the revision that divides the rows.
      const taken = await mark(from, 'c', EXACT);
      expect(taken.created).to.equal(mine.created);
      expect(await held(mine)).to.equal(false);
      await unmark(from, mine);
      expect(await held(taken)).to.equal(true);
      await unmark(from, taken);
      expect(await held(taken)).to.equal(false);
    });

    it('of another night, left by a run that died, divides nothing in this one', async () => {
      const left = await mark(from, 'a', EXACT);
      await from.txn({ success: [put(Buffer.from('/foreign'), Buffer.from('v'))] });
      const now = await mark(from, 'b', EXACT + 1);
      expect(now.created).to.be.greaterThan(left.created + 1);
      await unmark(from, now);
    });

    it('taken away while the head is raised: ROLLBACK_GONE, and late fillers have no effect', async () => {
      await inStep();
      const proxy = await FaultProxy.start({ host: '127.0.0.1', port: source.clientPort });
      const behind = new EtcdClient(proxy.endpoint, 'source');
      try {
        const marker = await mark(from, 'run', EXACT);
        const { revision } = await from.head();
        const margin = 1_000_000;
        const raising = failure(raiseSource(behind, heads, { marker, margin, signal: never }));
        await until(async () => (await from.head()).revision > revision + 100);
        proxy.stall(true);
        await unmark(from, marker);
        const { revision: head } = await from.head();
        proxy.stall(false);
        expect((await raising).code).to.equal('ROLLBACK_GONE');
        expect((await from.head()).revision).to.equal(head);
        expect((await from.range(prefixRange(OWN_PREFIX))).count).to.equal(0);

        // Nor for a marker of the next rollback.
        const next = await mark(from, 'the next', EXACT);
        const late = failure(raiseSource(behind, heads, { marker, margin, signal: never }));
        expect((await late).code).to.equal('ROLLBACK_GONE');
        await unmark(from, next);
      } finally {
        behind.close();
        await proxy.close();
      }
    });

    it('a head that is high enough is left alone', async () => {
      await from.txn({ success: [put(Buffer.from('/foreign'), Buffer.from('v'))] });
      const { source: there } = await heads();
      const low = () => Promise.resolve({ source: there, target: there - 10 });
      await raiseSource(from, low, { marker: NONE, margin: 10, signal: never });
      expect((await heads()).source).to.equal(there);
    });
  });
});
