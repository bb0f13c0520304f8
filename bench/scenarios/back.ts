/**
 * How long pods cannot be written in a rollback, of our own: drain, raise, bring back, compare. By the short way,
 * where a reverse has kept the source current, it must not grow with the pods; by the long one every key is
 * read in the freeze. Both after many changes on the target, and after compactions of both sides.
 *
 * Two etcds, and apiservers that are none: they list what lies in the etcd that each serves from.
 */
import { PODS, Stage } from '../../test/cli/stage.js';
import { Night } from '../../test/cutover/night.js';
import { until } from '../../test/cutover/pair.js';
import { makeCerts } from '../../test/rig/certs.js';
import type { RollbackReport } from '../../src/cutover/rollback.js';
import { put } from '../../src/target/txn.js';
import { count } from '../../src/text.js';
import type { EtcdClient } from '../../src/wire/client.js';
import { say } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const [FEW, MANY] = [1_000, 20_000];
/** As a pod has, about. */
const VALUE = 4000;
const AT_ONCE = 50;
/** Each with changes to so many pods, and a compaction of both sides behind them. */
const DAYS = 3;
const CHANGED_A_DAY = 500;
const PARTS = ['drain', 'raise', 'bring back', 'compare'];

export async function backScenario(bench: Bench): Promise<Row[]> {
  const [short, long] = [new Figures(), new Figures()];
  for (let i = 0; i < bench.runs; i++) {
    const few = await oneRun(FEW, true);
    const many = await oneRun(MANY, true);
    const whole = await oneRun(MANY, false);
    short.ours.push(many.ownSeconds);
    short.theirs.push(few.ownSeconds);
    long.ours.push(many.ownSeconds);
    long.theirs.push(whole.ownSeconds);
    for (const { step, seconds } of many.steps)
      if (PARTS.includes(step)) short.part(`${step} s`, seconds);
    for (const { step, seconds } of whole.steps)
      if (PARTS.includes(step)) long.part(`${step} s, the long way`, seconds);
  }
  const row = (against: string, { ours, theirs, parts }: Figures): Row => ({
    ...{ scenario: 'back', what: `${count(MANY)} pods: our share of the freeze`, unit: 's' },
    ...{ ours, against, theirs, parts, ratio: 'share' },
  });
  return [
    { ...row(`the same with ${count(FEW)} pods`, short), goal: { atMost: 1.5 } },
    { ...row('without a reverse', long), goal: { atMost: 1 } },
    {
      ...row('the most that it may be', short),
      theirs: short.ours.map(() => 1),
      goal: { atMost: 1 },
    },
  ];
}

async function oneRun(pods: number, reversed: boolean): Promise<RollbackReport> {
  say(`${count(pods)} pods, ${reversed ? 'with' : 'without'} a reverse`);
  const certs = await makeCerts();
  const stage = await Stage.start();
  try {
    const night = await Night.start(stage, certs);
    try {
      await write(night.direct.source, pods, 0);
      await until(async () => (await night.heads()).target === (await night.heads()).source);
      await night.cutover();
      const running = reversed ? night.reverse() : undefined;
      for (let day = 1; day <= DAYS; day++) {
        await write(night.direct.target, Math.min(pods, CHANGED_A_DAY), day);
        if (running) await night.reversed(running.reverse);
        const { source, target } = await night.heads();
        await night.direct.source.compact(source - 1);
        await night.direct.target.compact(target - 1);
      }
      const report = await night.rollback();
      if ((report.back.way === 'short') !== reversed)
        throw new Error(`not the way that was meant: ${report.back.why ?? ''}`);
      return report;
    } finally {
      await night.end();
    }
  } finally {
    await stage.end();
    certs.remove();
  }
}

/** One revision each, as Kubernetes writes. */
async function write(client: EtcdClient, pods: number, day: number): Promise<void> {
  const value = Buffer.alloc(VALUE, `${day} `);
  for (let i = 0; i < pods; i += AT_ONCE)
    await Promise.all(
      Array.from({ length: Math.min(AT_ONCE, pods - i) }, (_, j) =>
        client.txn({ success: [put(Buffer.from(`${PODS}default/pod-${i + j}`), value)] }),
      ),
    );
}
