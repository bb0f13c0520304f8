/**
 * How long a pod's change needs to the target, at a rate that both can keep up with: from the
 * source's answer to the writer until a watch on the target shows the key. Ours and make-mirror
 * follow the same source at the same time, so both have the same noise of the machine.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { Follow, lockstep, MakeMirror } from '../kit/commands.js';
import { PODS, stampOf } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { Load } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import { Figures, percentile, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const KEYS = 2000;
const PER_SECOND = 300;
const SECONDS = 20;
const SHARES = [100, 20];
/** The first ones warm up both programs. */
const LEFT_OUT_SECONDS = 4;
const ARRIVES_WITHIN_SECONDS = 30;
const PERCENTILES = { median: 0.5, p99: 0.99 };

export async function lagScenario(bench: Bench): Promise<Row[]> {
  const rows: Row[] = [];
  for (const share of SHARES) rows.push(...(await atShare(bench, share)));
  return rows;
}

async function atShare(bench: Bench, share: number): Promise<Row[]> {
  const figures = { median: new Figures(), p99: new Figures() };
  for (let i = 0; i < bench.runs; i++) {
    say(`${share} %: ${SECONDS} s at ${PER_SECOND} revisions/s`);
    const { ours, theirs } = await inFolder((folder) => oneRun(bench, folder, share));
    for (const [name, at] of Object.entries(PERCENTILES)) {
      const figure = figures[name as keyof typeof PERCENTILES];
      figure.ours.push(percentile(ours, at));
      figure.theirs.push(percentile(theirs, at));
    }
  }
  return Object.entries(figures).map(([name, { ours, theirs }]) => ({
    scenario: 'lag',
    what: `${PER_SECOND} revisions/s, ${share} % ours: ${name}`,
    unit: 'ms',
    ours,
    against: 'make-mirror',
    theirs,
    ratio: 'share',
    goal: { atMost: 1 },
  }));
}

/** Lags in ms. */
async function oneRun(
  bench: Bench,
  folder: string,
  share: number,
): Promise<{ ours: number[]; theirs: number[] }> {
  const source = await Store.restored(folder, await bench.snapshot(KEYS));
  const [base, journal] = [join(folder, 'base.db'), join(folder, 'journal')];
  await lockstep(folder, [
    ...['seed', '--endpoints', source.endpoint, '--prefix', PODS],
    ...['--journal', journal, '--out', base],
  ]);
  const target = await Store.restored(folder, base);
  const copy = await Store.empty(folder);
  const follow = Follow.start(folder, journal, source.endpoint, target.endpoint);
  const mirror = MakeMirror.start(folder, source.endpoint, copy.endpoint);
  await copy.untilPods(KEYS, () => {
    mirror.check();
  });
  await follow.until((status) => status.state === 'in lockstep');

  const [atTarget, atCopy] = [await Arrivals.on(target), await Arrivals.on(copy)];
  const written = new Map<string, number>();
  await new Load(source.client, bench.values, KEYS).steadily(
    { perSecond: PER_SECOND, seconds: SECONDS, share },
    (stamp) => written.set(stamp, performance.now()),
  );
  const counted = [...written].slice(LEFT_OUT_SECONDS * PER_SECOND * (share / 100));
  const lags = await Promise.all([atTarget, atCopy].map((arrivals) => arrivals.lags(counted)));
  await Promise.all([follow.end(), mirror.end()]);
  await Promise.all([source.remove(), target.remove(), copy.remove()]);
  const [ours = [], theirs = []] = lags;
  return { ours, theirs };
}

/** When which value was seen on a target. */
class Arrivals {
  readonly #seen = new Map<string, number>();

  /** Watches from now on, until the store's client is closed. */
  static async on(store: Store): Promise<Arrivals> {
    const arrivals = new Arrivals();
    const stream = await store.client.watch();
    stream.send({ createRequest: prefixRange(PODS) });
    void (async () => {
      for await (const { events } of stream.messages()) {
        const now = performance.now();
        for (const { kv } of events)
          if (kv) arrivals.#seen.set(stampOf(parseKeyValue(kv).value), now);
      }
    })().catch(() => undefined);
    return arrivals;
  }

  /** @throws when one does not arrive */
  async lags(written: readonly [stamp: string, at: number][]): Promise<number[]> {
    const deadline = performance.now() + ARRIVES_WITHIN_SECONDS * 1000;
    while (!written.every(([stamp]) => this.#seen.has(stamp))) {
      if (performance.now() > deadline) throw new Error('something does not arrive');
      await sleep(50);
    }
    return written.map(([stamp, at]) => this.#seen.get(stamp)! - at);
  }
}
