/**
 * One whole life: a source with a history, a base taken while it is written, a target that follows,
 * killed and started again. At the end both etcds are compared row by row.
 */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import fc from 'fast-check';
import { seed } from '../../src/base/seed.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { digest } from '../../src/mvcc/tally.js';
import { parseCursor } from '../../src/target/cursor.js';
import { EtcdClient } from '../../src/wire/client.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, type EtcdVersion } from '../rig/etcd.js';
import {
  follow,
  followHere,
  followInChild,
  followUntilSynced,
  type FollowPlace,
  type Following,
} from './following.js';
import { arbitraryOp, PREFIXES, type Op } from './history.js';
import { compareRows, liveAt, rowsOf, type OracleRows } from './rows.js';
import { seenBy3, toBeSeen } from './seen.js';
import { HistoryWriter } from './writer.js';

const STOPPED_WITHIN_MS = 5000;

/** How a follower writes. */
export type By = 'transactions' | 'proposals';

/** What can happen to the follower while the history goes on. */
export type Step =
  | Op
  /** Ends the follower that runs and starts the next one, here or in a process to be killed. */
  | { kind: 'next follower'; where: 'here' | 'child'; by: By }
  | { kind: 'end follower' }
  /** SIGKILL, then a start on the same data. */
  | { kind: 'restart'; which: 'source' | 'target' };

export interface Life {
  from: 'range' | 'snapshot';
  before: Op[];
  /** While the base is read. */
  during: Op[];
  after: Step[];
  /** The last follower, who brings what is left. */
  endsBy: By;
}

const by = fc.constantFrom<By[]>('transactions', 'proposals');

const step = fc.oneof<fc.WeightedArbitrary<Step>[]>(
  { arbitrary: arbitraryOp(), weight: 14 },
  {
    arbitrary: fc.record({
      kind: fc.constant('next follower' as const),
      where: fc.constantFrom('here' as const, 'child' as const),
      by,
    }),
    weight: 4,
  },
  { arbitrary: fc.constant({ kind: 'end follower' }), weight: 1 },
  {
    arbitrary: fc.record({
      kind: fc.constant('restart' as const),
      which: fc.constantFrom('source' as const, 'target' as const),
    }),
    weight: 1,
  },
);

export const life: fc.Arbitrary<Life> = fc.record({
  from: fc.constantFrom('range' as const, 'snapshot' as const),
  before: fc.array(arbitraryOp(), { maxLength: 10 }),
  during: fc.array(arbitraryOp({ compact: false }), { maxLength: 4 }),
  after: fc.array(step, { minLength: 4, maxLength: 24 }),
  endsBy: by,
});

/** A source that is written, and a target that was restored from a base of it. */
export interface Pair {
  source: Etcd;
  target: Etcd;
  writer: HistoryWriter;
  place: FollowPlace;
}

/** Lives it; throws where source and target differ in the end. */
export async function live(version: EtcdVersion, { after, endsBy, ...start }: Life): Promise<void> {
  await withPair(version, start, async (pair) => {
    await goOn(after, pair);
    await followUntilSynced(placeBy(endsBy, pair));
    await compareStores(pair.source, pair.target);
  });
}

/** Starts both, lets `use` do with them what it wants, and removes them. */
export async function withPair(
  version: EtcdVersion,
  { from, before, during }: Omit<Life, 'after' | 'endsBy'>,
  use: (pair: Pair) => Promise<void>,
): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'life-'));
  removeAtExit(dir);
  const source = await Etcd.start({ version });
  const client = new EtcdClient(source.endpoint, 'source');
  let target: Etcd | undefined;
  try {
    const writer = new HistoryWriter(source, client);
    await writer.all(before);
    const [base] = await Promise.all([takeBase(client, dir, from), writer.all(during)]);
    target = await Etcd.startFromSnapshot(base, {
      version,
      args: ['--max-request-bytes=10485760'],
    });
    const journal = join(dir, 'journal');
    const place = { journal, source: source.endpoint, target: target.endpoint };
    await use({ source, target, writer, place });
  } finally {
    client.close();
    await target?.remove();
    await source.remove();
    removeFolder(dir);
  }
}

export async function takeBase(
  client: EtcdClient,
  dir: string,
  from: Life['from'],
): Promise<string> {
  const { out } = await seed(client, {
    prefixes: PrefixSet.of(PREFIXES),
    journal: join(dir, 'journal'),
    out: join(dir, 'base.db'),
    from,
    allowEmpty: true,
    onBase: () => undefined,
    onNote: () => undefined,
    signal: AbortSignal.timeout(30_000),
  });
  return out;
}

function placeBy(way: By, { place, target }: Pair): FollowPlace {
  return way === 'proposals' ? { ...place, peers: `http://127.0.0.1:${target.peerPort}` } : place;
}

async function goOn(steps: readonly Step[], pair: Pair): Promise<void> {
  const { source, target, writer, place } = pair;
  const looker = new EtcdClient(place.target, 'target');
  // The target's head is in the journal too, so whoever follows next still finds its history.
  writer.compactLimit = async () => (await looker.head()).revision;
  let following: Following | undefined;
  try {
    for (const step of steps) {
      if (step.kind === 'restart') {
        const etcd = step.which === 'source' ? source : target;
        await etcd.kill();
        await etcd.restart();
        await looker.head().catch(() => undefined); // its connection has to notice first
      } else if (step.kind === 'end follower' || step.kind === 'next follower') {
        await following?.end();
        following = undefined;
        if (step.kind === 'next follower') {
          const begin = step.where === 'here' ? followHere : followInChild;
          following = await begin(placeBy(step.by, pair));
        }
      } else {
        await writer.apply(step);
      }
    }
  } finally {
    await following?.end();
    looker.close();
  }
}

/** Rows, heads, what a client sees of them, and what the cursor says about them. */
export async function compareStores(source: Etcd, target: Etcd): Promise<void> {
  const [there, here] = await Promise.all([rowsOf(source, PREFIXES), rowsOf(target, PREFIXES)]);
  const difference = compareRows(there, here);
  if (difference !== undefined) throw new Error(difference);
  for (const [etcd, rows] of [
    [source, there],
    [target, here],
  ] as const)
    expect(await seenBy3(etcd, PREFIXES)).to.deep.equal(toBeSeen(rows));
  await checkCursor(target, here);
}

/** The cursor's count and checksum, against a recount. */
async function checkCursor(target: Etcd, { rows, head }: OracleRows): Promise<void> {
  const cursor = parseCursor(
    Buffer.from(await target.ctl('get', 'etcd-lockstep/cursor', '--print-value-only')),
  );
  const now = liveAt(rows, head);
  const sum = now.reduce((all, row) => all + digest(row.bytes), 0n);
  expect(cursor.keys).to.equal(now.length);
  expect(BigInt(`0x${cursor.checksum}`)).to.equal(BigInt.asUintN(64, sum));
}

/** A follower whose signal has fired already; hangs if it takes no notice. */
export async function stopBeforeStart(version: EtcdVersion): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'life-'));
  removeAtExit(dir);
  const source = await Etcd.start({ version });
  const client = new EtcdClient(source.endpoint, 'source');
  try {
    await takeBase(client, dir, 'snapshot');
    const here = source.endpoint;
    const ended = follow(
      { journal: join(dir, 'journal'), source: here, target: here },
      { until: { kind: 'signal' }, signal: AbortSignal.abort(), onNote: () => undefined },
    ).then(() => true);
    const late = sleep(STOPPED_WITHIN_MS, false);
    expect(await Promise.race([ended, late]), 'it has ended').to.be.true;
  } finally {
    client.close();
    await source.remove();
    removeFolder(dir);
  }
}
