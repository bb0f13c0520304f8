/** A follower that is held back: by --max-rate, by hand, and by a side that answers slowly. */
import { expect } from 'chai';
import { FaultProxy } from '../rig/proxy.js';
import type { Etcd } from '../rig/etcd.js';
import * as contract from '../cli/contract.js';
import { run, Running } from '../cli/run.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';

const KILLED_AFTER_MS = 110_000;
/** Each way; far above what is slow, and a call still takes less than a second. */
const DELAY_MS = 200;

describe('held back', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;
  beforeEach(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  afterEach(() => stage.end());

  /** So many revisions, a third of them with records. */
  async function write(revisions: number): Promise<void> {
    const one = (i: number) =>
      stage.put(`${i % 3 === 0 ? PODS : '/registry/events/'}${i % 97}`, `${i}`);
    for (let i = 0; i < revisions; i += 50)
      await Promise.all(Array.from({ length: 50 }, (_, k) => one(i + k)));
  }

  async function throttle(rate: string): Promise<void> {
    const { code, stderr } = await run(['control', 'throttle', rate, '--journal', seeded.journal]);
    expect(code, stderr).to.equal(0);
  }

  async function endsEqual(follower: Running): Promise<void> {
    const head = await stage.head();
    await follower.line(contract.follow, ({ position }) => position === head);
    follower.signal('SIGTERM');
    const { code, stderr } = await follower.ended;
    expect(code, stderr).to.equal(0);
    const { code: differs, stdout } = await stage.audit(target, '--history');
    expect(differs, stdout).to.equal(0);
  }

  for (const way of ['transactions', 'proposals'] as const)
    it(`by ${way}: no more than --max-rate is written, a change has effect at once, and it ends equal`, async () => {
      await write(1200);
      const [peers, rate] = [way === 'proposals' ? ['--dest-peers', 'members'] : [], 200];
      const started = performance.now();
      const args = stage.followArgs(seeded.journal, target.endpoint);
      const follower = new Running([...args, ...peers, '--max-rate', `${rate}`]);
      const most = () => ((performance.now() - started) / 1000) * rate + rate / 10;
      for (const least of [100, 300, 500]) {
        const line = await follower.line(
          contract.follow,
          ({ revisions, fillers }) => revisions + fillers >= least,
        );
        expect(line.revisions + line.fillers).to.be.lessThan(most());
        expect(line.throttle).to.deep.equal({
          ...{ maxRate: rate, nowRate: rate, because: 'max rate', holds: true },
        });
        expect(line.way.by).to.equal(way);
      }
      await throttle('off');
      const last = await follower.line(contract.follow, ({ state }) => state === 'in lockstep');
      expect(last.throttle).to.deep.include({ maxRate: null, nowRate: null, because: null });
      await write(150);
      await endsEqual(follower);
    });

  for (const side of ['source', 'target'] as const)
    it(`the ${side} answers slowly: it backs off, says so once and why; it recovers, and ends equal`, async () => {
      const behind = side === 'source' ? stage.source : target;
      const proxy = await FaultProxy.start({ host: '127.0.0.1', port: behind.clientPort });
      try {
        await write(6000);
        const [from, to] =
          side === 'source'
            ? [proxy.endpoint, target.endpoint]
            : [stage.source.endpoint, proxy.endpoint];
        const args = [
          ...[...stage.followArgs(seeded.journal, to, from), '--max-rate', '300'],
          // By transactions a target that answers slowly slows them down by itself.
          ...(side === 'target' ? ['--dest-peers', 'members'] : []),
        ];
        const follower = new Running(args, {}, KILLED_AFTER_MS);
        const head = await stage.head();
        await follower.line(
          contract.follow,
          ({ journalPosition, position, throttle }) =>
            journalPosition === head && (position ?? 0) > 1000 && throttle.because === 'max rate',
        );
        proxy.delay(DELAY_MS);
        const slow = await follower.line(
          contract.follow,
          ({ throttle }) => throttle.because === `the ${side} is slow`,
        );
        expect(slow.throttle.nowRate).to.be.within(50, 200);
        const told = follower.stderr.match(new RegExp(`the ${side} answers slowly`, 'g'));
        expect(told).to.have.lengthOf(1);
        proxy.delay(0);
        await follower.until(({ stderr }) =>
          stderr.includes(`the ${side} answers as usual again: back-off is over`),
        );
        await throttle('off');
        await endsEqual(follower);
      } finally {
        await proxy.close();
      }
    });
});
