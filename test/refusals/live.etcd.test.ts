/** Who else writes to the target while a follower is at work. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorOf, Running } from '../cli/run.js';
import { eventually, fingerprint, PODS, Stage, type Seeded } from '../cli/stage.js';
import { compareRows, rowsOf } from '../oracle/rows.js';
import type { Etcd } from '../rig/etcd.js';
import { refusal } from './refused.js';

/** Writes to the source until it is ended: of three revisions one is a pod's. */
class Writes {
  #on = true;
  readonly #done: Promise<void>;

  constructor(stage: Stage) {
    this.#done = (async () => {
      for (let i = 0; this.#on; i++) {
        await stage.put(i % 3 === 0 ? `${PODS}p${i % 7}` : '/registry/events/e', `v${i}`);
        await sleep(2);
      }
    })();
  }

  async end(): Promise<void> {
    this.#on = false;
    await this.#done;
  }
}

describe('follow notices who else writes to the target', () => {
  let stage: Stage;
  let seeded: Seeded;

  beforeEach(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
  });
  afterEach(() => stage.end());

  async function following(journal: string, target: Etcd): Promise<Running> {
    const follower = new Running(stage.followArgs(journal, target.endpoint));
    await follower.until(({ stderr }) => stderr.includes('target found'));
    return follower;
  }

  it('a foreign write: stops at its next write, and changes nothing more', async () => {
    const target = await stage.etcd(seeded.base);
    const follower = await following(seeded.journal, target);
    const writes = new Writes(stage);
    await eventually(async () => (await head(target)) > seeded.sealed.head + 10);
    await target.ctl('put', '/registry/pods/theirs', 'v');
    const ended = await follower.ended;
    const after = await fingerprint(target);
    await writes.end();
    // Which of the two it is depends on what was under way at that moment.
    const { code } = errorOf(ended);
    expect(code).to.be.oneOf(['TARGET_FOREIGN_WRITE', 'TARGET_HEAD_OFF']);
    refusal(ended, { code, exit: 5 });
    // The next one does not begin at all.
    refusal(await stage.follow(seeded.journal, target), { code: 'TARGET_HEAD_OFF', exit: 5 });
    expect(await fingerprint(target)).to.deep.equal(after);
  });

  it('a second follower with a journal of its own: one of them stops, nothing is harmed', async () => {
    const second = await stage.seed();
    const target = await stage.etcd(seeded.base);
    const writes = new Writes(stage);
    const followers = [await following(seeded.journal, target)];
    followers.push(await following(second.journal, target));
    const first = await Promise.race(
      followers.map((f, i) => f.ended.then((ended) => ({ ended, i }))),
    );
    refusal(first.ended, { code: 'TARGET_TAKEN_OVER', exit: 5 });
    const other = followers[1 - first.i]!;
    const at = await head(target);
    await eventually(async () => (await head(target)) > at + 30);
    await writes.end();
    const goal = await stage.head();
    await eventually(async () => (await head(target)) >= goal);
    other.signal('SIGTERM');
    expect((await other.ended).code).to.equal(0);
    const [there, here] = await Promise.all([rowsOf(stage.source, [PODS]), rowsOf(target, [PODS])]);
    expect(compareRows(there, here)).to.equal(undefined);
  });

  async function head(target: Etcd): Promise<number> {
    const { header } = JSON.parse(await target.ctl('get', 'x', '-w', 'json')) as {
      header: { revision: number };
    };
    return header.revision;
  }
});
