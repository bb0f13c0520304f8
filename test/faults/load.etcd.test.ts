/**
 * A target that cannot keep up, or is away for long: the follower's memory stays flat, and it says
 * truthfully how far behind it is. `SOAK=1` writes 2 GB instead of 150 MB.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdClient } from '../../src/wire/client.js';
import type { Status } from './follower.js';
import { anonymousMiB, thirds } from './memory.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

const SOAK = process.env['SOAK'] !== undefined;
const TOTAL_BYTES = SOAK ? 2_000_000_000 : 150_000_000;
const VALUE_BYTES = 100_000;
const PODS = 40;
const AT_ONCE = 4;
/** Each way: so a data revision takes at least twice that. */
const DELAY_MS = 25;
/** So much is written between two compactions of the source. */
const COMPACT_EVERY_BYTES = 50_000_000;
const LARGE = '--quota-backend-bytes=8589934592';
const SAMPLE_MS = 250;

const MOST_MIB = 400;
/** Of the last third above the first one. */
const GROWTH_MIB = 64;
/** A status is up to a second old when it is read, and asks for the head twice a second. */
const LAG_TOLERANCE_S = 3;

/** When the source's head was seen to be where, from outside. */
class Heads {
  #seen: { head: number; ms: number }[] = [];

  saw(head: number): void {
    this.#seen.push({ head, ms: Date.now() });
  }

  /** Seconds since the source has gone past this revision. */
  secondsSince(position: number): number {
    const first = this.#seen.find(({ head }) => head > position);
    return first ? (Date.now() - first.ms) / 1000 : 0;
  }

  /** Its head so long ago; 0 where nobody had looked. */
  ago(seconds: number): number {
    const limit = Date.now() - seconds * 1000;
    return this.#seen.findLast(({ ms }) => ms <= limit)?.head ?? 0;
  }
}

/** Writes large pods as fast as the source takes them, and compacts it at what was captured; returns where last. */
async function writeAll(scene: Scene): Promise<number> {
  const value = Buffer.alloc(VALUE_BYTES, 'x');
  const every = Math.floor(COMPACT_EVERY_BYTES / VALUE_BYTES);
  let left = Math.floor(TOTAL_BYTES / VALUE_BYTES);
  let compacted = 0;
  const worker = async () => {
    while (left-- > 0) {
      const n = left;
      value.writeUInt32BE(n); // each another one
      await scene.put(`/registry/pods/${n % PODS}`, Buffer.from(value));
      await scene.put('/registry/events/e', `${n}`);
      if (n % every !== 0) continue;
      compacted = scene.follower.statuses().at(-1)!.journalPosition;
      await scene.client.compact(compacted);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return compacted;
}

/** Holds what the follower says of its lag against what both sides say. */
async function lagIsTrue(
  { follower }: Scene,
  heads: Heads,
  source: EtcdClient,
  target: EtcdClient,
): Promise<void> {
  const status = follower.statuses().at(-1)!;
  const [{ revision: there }, { revision: here }] = await Promise.all([
    source.head(),
    target.head(),
  ]);
  heads.saw(there);
  expect(status.sourceHead).to.be.within(heads.ago(LAG_TOLERANCE_S), there);
  expect(status.position).to.be.at.most(here);
  const { position, lagRevisions, lagSeconds } = status as Status & { position: number };
  expect(lagRevisions).to.equal(Math.max(0, status.sourceHead - position));
  expect(lagSeconds).to.be.closeTo(heads.secondsSince(position), LAG_TOLERANCE_S);
}

describe('more than the target takes', () => {
  it(`${TOTAL_BYTES / 1e6} MB to a slow target: memory stays flat, the lag is told truthfully`, async function () {
    if (SOAK) this.timeout(3_600_000);
    const args = [LARGE];
    await Scene.with({ source: { args }, target: { args } }, async (scene) => {
      const { follower, source, target } = scene;
      const [there, here] = [source.client('source'), target.client('target')];
      const heads = new Heads();
      heads.saw((await there.head()).revision);
      const samples: number[] = [];
      target.proxy.delay(DELAY_MS);
      const over = new AbortController();
      const written = writeAll(scene).finally(() => {
        over.abort();
      });
      let mostLag = 0;
      while (!over.signal.aborted) {
        samples.push(anonymousMiB(follower.pid));
        await lagIsTrue(scene, heads, there, here);
        mostLag = Math.max(mostLag, follower.statuses().at(-1)?.lagSeconds ?? 0);
        await sleep(SAMPLE_MS);
      }
      const compacted = await written;
      target.proxy.delay(0);
      const goal = (await there.head()).revision;
      while ((follower.statuses().at(-1)?.position ?? 0) < goal) {
        samples.push(anonymousMiB(follower.pid));
        await sleep(SAMPLE_MS);
      }
      await follower.until('compacted', (status) => status.compactRevision >= compacted);
      await scene.exact();
      for (const client of [there, here]) client.close();
      const [first, , last] = thirds(samples);
      report(`memory by thirds ${thirds(samples).join(', ')} MiB; lag up to ${mostLag} s`);
      expect(Math.max(...samples)).to.be.below(MOST_MIB);
      expect(last - first).to.be.below(GROWTH_MIB);
      expect(mostLag, 'the target could keep up').to.be.above(SOAK ? 20 : 2);
    });
  });

  together({
    'a target that is down while the source is compacted 25 times': () =>
      Scene.with({ everyMs: 10 }, async (scene) => {
        const { follower, target } = scene;
        const mark = follower.mark();
        await target.etcd.stop();
        for (let time = 0; time < 25; time++) {
          const goal = await scene.writes.another();
          const { status } = await follower.until('captured', (s) => s.journalPosition >= goal);
          await scene.client.compact(status.journalPosition);
        }
        await target.etcd.restart();
        await scene.exact();
        const notes = follower.notes(mark);
        expect(
          notes.filter((note) => /trying again/.test(note)),
          notes.join('\n'),
        ).lengthOf(1);
        expect(notes).to.include('the target answers again');
      }),
  });
});
