/**
 * Ours beside a learner that goes on alone (kit/learner.ts): what the copying costs the old cluster and
 * those who write to it, what the split itself takes, and what is left to do then.
 *
 * All along somebody writes to the old etcd, pods and others in turn. Each side has a source of its own,
 * one after the other.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdClient } from '../../src/wire/client.js';
import { EtcdCluster } from '../../test/rig/cluster.js';
import type { Etcd } from '../../test/rig/etcd.js';
import { Follow, lockstep } from '../kit/commands.js';
import { FOREIGN, foreignKey, podKey, PODS } from '../kit/data.js';
import { SERVER_FLAGS, Store } from '../kit/etcds.js';
import { Learner, raise, timed, type LearnerWay, type Step } from '../kit/learner.js';
import { put } from '../kit/load.js';
import { Paced } from '../kit/paced.js';
import { inFolder, say } from '../kit/place.js';
import { percentile, type Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';
import { cpuSeconds } from '../kit/usage.js';
import { learnerNight } from './learnernight.js';

/** Beside this the copying goes on. */
const PER_SECOND = 20;
/** Before it begins, for comparison. */
const BEFORE_SECONDS = 10;
/** The margin that a cutover of ours makes, too. */
const RAISED = 2_000;
const MIB = 1 << 20;

/** What it took to have a copy that is where the source is. */
interface Copied {
  seconds: number;
  /** Of the source (of its leader), less what the writers cost it, by what each cost before. */
  cpuSeconds: number;
  /** Of what copies: seed, or the learner itself. */
  copierCpuSeconds: number;
  /** Of a write meanwhile, in ms. */
  writes: number[];
  /** Of a write before. */
  before: number[];
  bytes: number;
}

/** What a learner takes from the freeze on. */
interface Split {
  copied: Copied;
  freeze: Step[];
  after: Step[];
  /** The longest write of a pod while the rest was deleted, compacted and defragmented, in ms. */
  longestMs: number;
  bytes: { before: number; after: number };
}

export async function learnerScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const keys of bench.sizes) rows.push(...(await atSize(bench, keys)));
  return [...rows, ...(await learnerNight(bench))];
}

async function atSize(bench: Bench, keys: number): Promise<Row[]> {
  const ours: Copied[] = [];
  const restored: Split[] = [];
  const forced: Split[] = [];
  for (let i = 0; i < bench.runs; i++) {
    say(`${keysText(keys)}: seed and follow`);
    ours.push(await seedAndFollow(bench, keys));
    say(`${keysText(keys)}: a learner that is restored`);
    restored.push(await ofOne(bench, keys));
    say(`${keysText(keys)}: a learner that is forced`);
    forced.push(await ofThree(bench, keys));
  }
  const row = (what: string, unit: Row['unit'], of: (copied: Copied) => number): Row => ({
    ...{ scenario: 'learner', what: `${keysText(keys)}: ${what}`, unit, ratio: 'share' },
    ...{
      ours: ours.map(of),
      against: 'a learner',
      theirs: restored.map(({ copied }) => of(copied)),
    },
  });
  const p99 = (ms: number[]) => percentile(ms, 0.99);
  return [
    {
      ...row('until the copy is where the source is', 's', ({ seconds }) => seconds),
      parts: {
        ...splitParts('restored', restored),
        ...splitParts('forced, of three', forced),
      },
    },
    row('CPU of the source for it', 's', (copied) => copied.cpuSeconds),
    row('CPU of what copies', 's', (copied) => copied.copierCpuSeconds),
    {
      ...row('a write to the source meanwhile, p99', 'ms', ({ writes }) => p99(writes)),
      parts: {
        'before, p99 ms': ours.map(({ before }) => p99(before)),
        'before, median ms': ours.map(({ before }) => percentile(before, 0.5)),
        'median ms beside seed': ours.map(({ writes }) => percentile(writes, 0.5)),
        'longest ms beside seed': ours.map(({ writes }) => Math.max(...writes)),
        'median ms beside a learner': restored.map(({ copied }) => percentile(copied.writes, 0.5)),
        'longest ms beside a learner': restored.map(({ copied }) => Math.max(...copied.writes)),
      },
    },
    row('what lies on the new disk', 'MiB', ({ bytes }) => bytes / MIB),
  ];
}

/** By the name of a step. */
function splitParts(way: string, splits: readonly Split[]): Record<string, number[]> {
  const parts: Record<string, number[]> = {};
  const add = (name: string, value: number) => (parts[`${way}: ${name}`] ??= []).push(value);
  for (const { copied, freeze, after, longestMs, bytes } of splits) {
    add('copying s', copied.seconds);
    for (const { step, seconds } of freeze) add(`${step} s`, seconds);
    for (const { step, seconds } of after) add(`afterwards ${step} s`, seconds);
    add('longest write then ms', longestMs);
    add('size before MiB', bytes.before / MIB);
    add('size after MiB', bytes.after / MIB);
  }
  return parts;
}

async function seedAndFollow(bench: Bench, keys: number): Promise<Copied> {
  return inFolder(async (folder) => {
    const source = await Store.restored(folder, await bench.snapshot(keys));
    const [base, journal] = [join(folder, 'base.db'), join(folder, 'journal')];
    const ends: (() => Promise<unknown>)[] = [() => source.remove()];
    try {
      return await beside(bench, source.etcd, keys, async () => {
        const from = ['seed', '--endpoints', source.endpoint, '--prefix', PODS];
        const { usage } = await lockstep(folder, [...from, '--journal', journal, '--out', base]);
        const target = await Store.restored(folder, base);
        ends.push(() => target.remove());
        const follow = Follow.start(folder, journal, source.endpoint, target.endpoint);
        ends.push(() => follow.end());
        await follow.until(({ state }) => state === 'in lockstep');
        return { bytes: statSync(base).size, copierCpuSeconds: usage.cpuSeconds };
      });
    } finally {
      for (const end of ends.reverse()) await end();
    }
  });
}

async function ofOne(bench: Bench, keys: number): Promise<Split> {
  return inFolder(async (folder) => {
    const source = await Store.restored(folder, await bench.snapshot(keys));
    try {
      return await split(bench, folder, source.etcd, keys, 'restored');
    } finally {
      await source.remove();
    }
  });
}

async function ofThree(bench: Bench, keys: number): Promise<Split> {
  return inFolder(async (folder) => {
    const file = await bench.snapshot(keys);
    const cluster = await EtcdCluster.startFromSnapshot(file, { args: SERVER_FLAGS });
    try {
      return await split(bench, folder, await cluster.leader(), keys, 'forced');
    } finally {
      await cluster.remove();
    }
  });
}

async function split(
  bench: Bench,
  folder: string,
  old: Etcd,
  keys: number,
  way: LearnerWay,
): Promise<Split> {
  let learner: Learner | undefined;
  const copied = await beside(bench, old, keys, async () => {
    learner = await Learner.join(folder, old, SERVER_FLAGS);
    await learner.caughtUp();
    const { size } = statSync(join(learner.dataDir, 'member/snap/db'));
    return { bytes: size, copierCpuSeconds: cpuSeconds(learner.pid) ?? 0 };
  });
  if (learner === undefined) throw new Error('there is no learner');
  if (way === 'forced') await learner.promote();

  // Others than pods are written all along.
  const client = new EtcdClient(old.endpoint, 'source');
  const others = new Paced(PER_SECOND / 2, (i) =>
    put(client, foreignKey(i % keys), bench.values.value(2e7 + i)),
  );
  const freeze: Step[] = [];
  const ready = learner;
  await timed(freeze, 'drain', () => ready.caughtUp());
  const etcd = await ready.alone(way, freeze);
  await timed(freeze, 'raise the head', () => raise(etcd, RAISED));
  await learner.forget();
  await others.end();
  client.close();
  try {
    return { copied, freeze, ...(await cleanUp(bench, etcd, keys)) };
  } finally {
    await learner.end();
    await etcd.remove();
  }
}

/** Removes from the new etcd what is not its own, while pods are written to it. */
async function cleanUp(
  bench: Bench,
  etcd: Etcd,
  keys: number,
): Promise<Omit<Split, 'copied' | 'freeze'>> {
  const client = new EtcdClient(etcd.endpoint, 'target');
  const pods = new Paced(PER_SECOND / 2, (i) =>
    put(client, podKey(i % keys), bench.values.value(3e7 + i)),
  );
  const after: Step[] = [];
  const before = (await client.memberStatus()).dbBytes;
  const ctl = (...args: string[]) => etcd.ctl('--command-timeout=300s', ...args);
  await timed(after, 'delete', async () => {
    for (const prefix of FOREIGN) await ctl('del', '--prefix', prefix);
  });
  const { revision } = await client.head();
  await timed(after, 'compact', () => ctl('compact', '--physical', String(revision)));
  await timed(after, 'defrag', () => ctl('defrag'));
  const longestMs = Math.max(...(await pods.end()));
  const bytes = { before, after: (await client.memberStatus()).dbBytes };
  client.close();
  return { after, longestMs, bytes };
}

/** A copy that is where the source is: its bytes, and the processor time of what made it. */
type Copy = Pick<Copied, 'bytes' | 'copierCpuSeconds'>;

/** Does it while the source is written to, and looks at both. */
async function beside(
  bench: Bench,
  source: Etcd,
  keys: number,
  copy: () => Promise<Copy>,
): Promise<Copied> {
  const client = new EtcdClient(source.endpoint, 'source');
  const writes = new Paced(PER_SECOND, (i) => {
    const n = Math.floor(i / 2) % keys;
    return put(client, i % 2 === 0 ? podKey(n) : foreignKey(n), bench.values.value(1e7 + i));
  });
  const cpu = () => cpuSeconds(source.pid) ?? 0;
  const first = cpu();
  await sleep(BEFORE_SECONDS * 1000);
  const [before, began, started] = [writes.take(), cpu(), performance.now()];
  const made = await copy();
  const seconds = (performance.now() - started) / 1000;
  const ended = cpu();
  const meanwhile = await writes.end();
  client.close();
  const aWrite = (began - first) / before.length;
  const cpuOfIt = Math.max(0, ended - began - aWrite * meanwhile.length);
  say(`${seconds.toFixed(1)} s, ${cpuOfIt.toFixed(1)} s of the source's processor`);
  return { ...made, seconds, cpuSeconds: cpuOfIt, writes: meanwhile, before };
}
