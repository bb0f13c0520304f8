/**
 * What a week happens to: a source that is written all the time, a target, and two followers on journals of
 * their own that stand by for each other.
 *
 * What must hold on each day is looked at from outside, in the files of both etcds: every row equal, history
 * included; and the cursor never changes its follower's name more often than turns were begun, so that no two
 * have written between each other.
 */
import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { anonymousMiB } from '../../bench/kit/usage.js';
import { parseCursor } from '../../src/target/cursor.js';
import { EtcdClient } from '../../src/wire/client.js';
import { TAKEN_OVER_WITHIN_MS } from '../faults/duo.js';
import { Writes } from '../faults/writes.js';
import { compareStores, takeBase } from '../oracle/lockstep.js';
import { rowsOf } from '../oracle/rows.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd } from '../rig/etcd.js';
import { Hand } from './hand.js';

const BUSY_MS = 30;
const POLL_MS = 100;
const SAMPLE_MS = 500;
const CURSOR = 'etcd-lockstep/cursor';
const RATE = 5000;

export class Week {
  /** Anonymous memory of the larger one, MiB, twice a second. */
  readonly memory: number[] = [];
  /** Of one that wrote: its last turn may have been begun and not told. */
  killed = 0;
  /** Ended by a signal, and begun again. */
  restarted = 0;
  readonly #names: string[] = [];
  #seen = 0;
  readonly #meter: NodeJS.Timeout;

  private constructor(
    private readonly dir: string,
    readonly source: Etcd,
    readonly target: Etcd,
    private readonly sourceClient: EtcdClient,
    private readonly targetClient: EtcdClient,
    readonly writes: Writes,
    readonly hands: readonly [Hand, Hand],
  ) {
    this.#meter = setInterval(() => {
      const live = this.hands.filter(({ running }) => running.ended() === undefined);
      this.memory.push(Math.max(0, ...live.map(({ running }) => anonymousMiB(running.pid))));
    }, SAMPLE_MS);
  }

  /** Begins one, both followers running; lives it; and removes it. */
  static async with(live: (week: Week) => Promise<void>): Promise<void> {
    const dir = mkdtempSync(join(tmpdir(), 'week-'));
    removeAtExit(dir);
    const source = await Etcd.start();
    const client = new EtcdClient(source.endpoint, 'source');
    const writes = new Writes(source, client, BUSY_MS);
    await writes.once();
    const folders = [join(dir, 'a'), join(dir, 'b')] as const;
    for (const folder of folders) {
      mkdirSync(folder);
      await takeBase(client, folder, 'range');
      await writes.once();
    }
    const args = ['--max-request-bytes=10485760'];
    const target = await Etcd.startFromSnapshot(join(folders[1], 'base.db'), { args });
    const ends = { source: source.endpoint, target: target.endpoint };
    const hands = [new Hand(folders[0], ends), new Hand(folders[1], ends)] as const;
    for (const hand of hands) {
      hand.configure({ maxRate: RATE });
      hand.launch();
    }
    const targetClient = new EtcdClient(target.endpoint, 'target');
    const week = new Week(dir, source, target, client, targetClient, writes, hands);
    writes.start();
    try {
      await live(week);
    } finally {
      await week.#remove();
    }
  }

  other(hand: Hand): Hand {
    const [a, b] = this.hands;
    return hand === a ? b : a;
  }

  /** Waits until just one of them writes, in lockstep, and the other one stands by; @returns the one that writes */
  async settled(): Promise<Hand> {
    const from = Date.now();
    for (;;) {
      const said = await Promise.all(this.hands.map((hand) => hand.status()));
      const at = said.findIndex((one) => one?.standby?.active && one.state === 'in lockstep');
      const other = said[1 - at];
      if (at >= 0 && other?.state === 'standby' && other.trouble === null) return this.hands[at]!;
      this.#refuseEnds();
      if (Date.now() - from > TAKEN_OVER_WITHIN_MS)
        throw new Error(`not settled:\n${this.#tell()}`);
      await sleep(POLL_MS);
    }
  }

  /** Waits until the target has what is written from now on. */
  async goesOn(): Promise<void> {
    await this.#reaches(await this.writes.another());
  }

  /**
   * Stops the writes, waits until the target has them all, compares every row, and lets them go on. A write that
   * was given up may still land meanwhile, and then it is done again.
   */
  async compare(): Promise<void> {
    await this.writes.pause();
    for (let equal = false; !equal;) {
      const goal = await this.#sourceHead();
      await this.#reaches(goal);
      equal = await compareStores(this.source, this.target).then(
        () => true,
        async (error: unknown) => {
          if ((await this.#sourceHead()) === goal) throw error;
          return false;
        },
      );
    }
    await this.#readNames();
    this.writes.start();
  }

  /** Compacts the source as far as both journals and the target are. */
  async compact(): Promise<void> {
    await this.#readNames();
    const said = await Promise.all(this.hands.map((hand) => hand.status()));
    const captured = said.map((one) => one?.journalPosition ?? 0);
    const revision = Math.min(this.#seen, ...captured);
    if (revision > 1) await this.sourceClient.compact(revision);
  }

  /** How often the cursor has come to bear another follower's name. */
  get turnsSeen(): number {
    return this.#names.length;
  }

  /** How often one of them has said that it writes from now on. */
  get turnsTold(): number {
    return this.hands.reduce(
      (all, hand) => all + hand.count(/^writing to the target from now on/),
      0,
    );
  }

  async #sourceHead(): Promise<number> {
    return (await this.sourceClient.head()).revision;
  }

  async #readNames(): Promise<void> {
    const { rows, head } = await rowsOf(this.target, [CURSOR], { above: this.#seen });
    for (const { value } of rows) {
      const { follower } = parseCursor(value);
      if (follower !== null && follower !== this.#names.at(-1)) this.#names.push(follower);
    }
    this.#seen = head;
  }

  async #reaches(goal: number): Promise<void> {
    const from = Date.now();
    // An etcd that has just been restarted may have to be found again.
    const head = () =>
      this.targetClient.head().then(
        ({ revision }) => revision,
        () => 0,
      );
    while ((await head()) < goal) {
      this.#refuseEnds();
      if (Date.now() - from > TAKEN_OVER_WITHIN_MS)
        throw new Error(`not at revision ${goal}:\n${this.#tell()}`);
      await sleep(POLL_MS);
    }
  }

  #refuseEnds(): void {
    for (const hand of this.hands)
      if (hand.endedByItself)
        throw new Error(`it ended by itself, ${hand.running.ended() ?? ''}:\n${hand.tail()}`);
  }

  #tell(): string {
    return this.hands.map((hand, i) => `${i + 1}: ${hand.tail()}`).join('\n');
  }

  async #remove(): Promise<void> {
    clearInterval(this.#meter);
    await this.writes.end();
    await Promise.all(this.hands.map((hand) => hand.kill()));
    this.sourceClient.close();
    this.targetClient.close();
    await Promise.all([this.source.remove(), this.target.remove()]);
    removeFolder(this.dir);
  }
}
