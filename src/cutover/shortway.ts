/**
 * The short way back: the source was kept current by `follow --reverse`, so that hardly anything is left to be
 * brought or read while writes are refused.
 *
 *     look      before go, while all is live: is there a reverse's cursor of this night? Every key of both sides
 *               is compared, and what changes from then on as it comes (audit/livevalues.ts)
 *     catch up  behind the claim, live: this run takes the cursor, which ends the reverse wherever it runs, and
 *               brings what is left over by itself
 *     drain     in the freeze, when the target is quiet: the last changes come over, and the few keys that are
 *               not known to be the same are looked up
 *
 * That both hold the same is proven by what is read on both sides; that the reverse says so is not enough. And
 * whatever goes wrong on this way, the long one is open: every key is read and compared in the freeze
 * (bringkeys.ts), as where there was no reverse. So nothing here ends the rollback; why it is not the short
 * way is told.
 *
 * Who else writes to the source is fenced by the cursor: all that a reverse sends is guarded by it. On the short
 * way it is this run's to the end, on the long one it is deleted before a key is brought, and in the end in any
 * case. One that is just beginning looks at the phase once more behind its claim of the cursor.
 */
import { pause } from '../async/again.js';
import { LiveValues } from '../audit/livevalues.js';
import { describeKey } from '../audit/report.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import type { Heads } from '../proof/servedfrom.js';
import { Reverse } from '../reverse/reverse.js';
import { isOfReverse, parseReverse, readReverse, reverseKey } from '../target/reversecursor.js';
import type { Claim } from '../target/claim.js';
import type { StoredCutover } from '../target/cutoverstate.js';
import { MAX_TXN_OPS, modIs, put } from '../target/txn.js';
import type { EtcdClient } from '../wire/client.js';
import type { Alarms } from './alarms.js';
import type { Brought, LeftByReverse } from './bringkeys.js';
import type { NightOptions } from './nightoptions.js';

/** Which way it went. */
export interface WayBack {
  /** `long`: every key was read while writes were refused. */
  way: 'short' | 'long';
  /** Why not the short one; null: it was, or there was no reverse. */
  why: string | null;
}

type ShortWayOptions = Pick<NightOptions, 'source' | 'target' | 'margin' | 'onNote' | 'signal'> & {
  alarms: Alarms;
  onProgress: (text: string) => void;
};

/** So long without any coming over, and it is the long way. */
const STUCK_MS = 10_000;
/** In the freeze: for so long it is waited for the last changes. */
const DRAIN_MS = 5000;
const POLL_MS = 5;

export class ShortWay {
  #why: string | undefined;
  #live: LiveValues | undefined;
  #reverse: Reverse | undefined;
  #left: LeftByReverse | undefined;
  /** Of the source: where this run has ended the reverse, nothing was brought above it. */
  #newest: Revision | undefined;
  /** Watches, and what brings over; neither ever fails. */
  readonly #under: Promise<void>[] = [];
  readonly #stop = new AbortController();
  readonly #stopReverse = new AbortController();
  readonly #clients: EtcdClient[] = [];

  private constructor(
    private readonly o: ShortWayOptions,
    private readonly prefixes: PrefixSet,
    /** Tells this night from others: the last revision at which both were the same. */
    private readonly exact: Revision,
  ) {}

  /** One that is not open. */
  static none(
    o: ShortWayOptions,
    { state, exact }: Pick<StoredCutover, 'state' | 'exact'>,
  ): ShortWay {
    return new ShortWay(o, PrefixSet.of(state.prefixes), exact);
  }

  /**
   * Compares all keys, where there is a reverse's cursor of this night. Nothing is written.
   * @param audit gets what compares
   */
  static async look(
    o: ShortWayOptions,
    { state, exact }: StoredCutover,
    audit: (compare: () => Promise<void>) => Promise<void>,
  ): Promise<ShortWay> {
    const { source, target, onNote, onProgress } = o;
    const prefixes = PrefixSet.of(state.prefixes);
    const cursor = await readReverse(source, prefixes);
    const way = ShortWay.none(o, { state, exact });
    if (cursor?.exact !== exact) return way;
    const signal = way.#until();
    const onKeys = (keys: number) => {
      onProgress(`comparing: ${keys} of ${state.keys} keys`);
    };
    await audit(async () => {
      try {
        const between = { source, target, prefixes, onNote, onKeys, signal };
        way.#live = await LiveValues.compare(between);
      } catch (error) {
        way.#lost(error);
      }
    });
    if (way.#live) way.#run(way.#live.run(signal));
    return way;
  }

  /** Whether all is well so far. */
  get isOpen(): boolean {
    return this.#live !== undefined && this.#why === undefined;
  }

  /** By this run. */
  get brought(): Pick<Brought, 'put' | 'deleted'> {
    const { puts = 0, deletions = 0 } = this.#reverse?.status ?? {};
    return { put: puts, deleted: deletions };
  }

  get taken(): WayBack {
    return { way: this.isOpen ? 'short' : 'long', why: this.#why ?? null };
  }

  /**
   * Brings over what is left while all is live, and goes on with it until it is drained. Ends when the source
   * has what the target had when this began, or cannot get it.
   */
  async catchUp(night: Pick<Claim, 'standing' | 'check'>, heads: Heads): Promise<void> {
    if (!this.isOpen) return;
    const { source, target, margin, onNote, alarms, onProgress, signal } = this.o;
    const clients = { sourceWatch: source.another(), targetWatch: target.another() };
    this.#clients.push(...Object.values(clients));
    const reverse = new Reverse({
      ...{ source, target, ...clients, maxTxnOps: MAX_TXN_OPS, apiservers: [], onNote },
      // It is kept to the half of it, so that nothing is left to be raised in the freeze.
      margin: 2 * margin,
      rollback: { stored: night.standing, prefixes: this.prefixes, heads, night },
      go: () => Promise.resolve(),
      onAlarm: (alarm) => {
        alarms.raise(alarm);
      },
      signal: AbortSignal.any([this.#until(), this.#stopReverse.signal]),
    });
    this.#reverse = reverse;
    this.#run(this.#bring(reverse));
    let [at, since] = [0, performance.now()];
    const isOpen = () => this.isOpen;
    while (isOpen() && at < heads.target) {
      const { position, state } = reverse.status;
      if ((position ?? 0) > at) [at, since] = [position ?? 0, performance.now()];
      onProgress(`bringing over what is left: ${state}, revision ${at} of ${heads.target}`);
      const isStuck = performance.now() - since > STUCK_MS && state !== 'comparing';
      if (isStuck) this.#lost(`what is left does not come over (${state})`);
      await pause(POLL_MS, signal);
      signal.throwIfAborted();
    }
  }

  /**
   * In the freeze, when the target is quiet. Behind it this run brings nothing over any more.
   * @returns whether both sides hold the same; else it is the long way
   */
  async drained(): Promise<boolean> {
    const live = this.#live;
    if (!live || !this.isOpen) return false;
    const { target, signal } = this.o;
    const until = this.#until();
    // A watch that is slow or silent proves nothing, and writes are refused meanwhile.
    const late = setTimeout(() => {
      this.#lost('whether both sides hold the same was not known in time');
    }, DRAIN_MS);
    live.hurry();
    try {
      const { revision: head } = await target.head(probeKey(this.prefixes));
      // What came between the two is looked at once more below.
      while ((await live.different(until)).length > 0 && !this.#has(head))
        await pause(POLL_MS, until);
      await this.#endReverse();
      await this.#refuseLateOnes(until);
      const [first] = await live.different(until);
      if (first) this.#lost(`${describeKey(first).key} is not the same on both sides`);
    } catch (error) {
      signal.throwIfAborted();
      this.#lost(error);
    } finally {
      clearTimeout(late);
    }
    return this.isOpen;
  }

  /** Ends all that is under way: nothing of this run is written to the source any more. */
  async end(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#under);
    for (const client of this.#clients) client.close();
  }

  /**
   * Behind that no reverse writes anything any more, wherever it runs.
   * @returns what it has left
   */
  async fence(): Promise<LeftByReverse | undefined> {
    const { source } = this.o;
    const key = reverseKey(this.prefixes);
    while (true) {
      const { rows } = await source.few({ key });
      if (!rows[0]) return this.#left;
      const { value, modRevision } = parseKeyValue(rows[0]);
      const { exact, revision, seen, late } = parseReverse(key, value);
      if (exact === this.exact) {
        const open = late.open.map(({ key: name, keyBase64 }) =>
          Buffer.from(keyBase64 ?? name, keyBase64 === undefined ? 'utf8' : 'base64'),
        );
        const names = new Set(open.map((name) => name.toString('latin1')));
        const newest = this.#newest ?? modRevision;
        const wroteAt = async (at: Revision) => (await isOfReverse(source, key, at)) ?? false;
        this.#left = { brought: revision, newest, seen, wroteAt, late: names };
      }
      const success = [{ requestDeleteRange: { key } }];
      await source.txn({ compare: [modIs(key, modRevision)], success });
    }
  }

  /**
   * A write of the reverse that was given up without an answer may still come, with what the target had for a
   * while: all look alike then, and do not when it has come. So the cursor is put anew, as it stands.
   */
  async #refuseLateOnes(signal: AbortSignal): Promise<void> {
    const { source } = this.o;
    const key = reverseKey(this.prefixes);
    while (true) {
      signal.throwIfAborted();
      const { rows } = await source.few({ key });
      if (!rows[0]) throw new Error('the cursor on the source is gone');
      const { value, modRevision } = parseKeyValue(rows[0]);
      const success = [put(key, value)];
      const { succeeded } = await source.txn({ compare: [modIs(key, modRevision)], success });
      if (!succeeded) continue;
      this.#newest = modRevision;
      return;
    }
  }

  #has(revision: Revision): boolean {
    return (this.#reverse?.status.position ?? 0) >= revision;
  }

  async #bring(reverse: Reverse): Promise<void> {
    await reverse.run();
    const ended = this.#stopReverse.signal.aborted || this.o.signal.aborted;
    if (!ended) this.#lost('another run writes to the source');
  }

  async #endReverse(): Promise<void> {
    this.#stopReverse.abort();
    await this.#under.at(-1);
  }

  #run(under: Promise<void>): void {
    const ended = under.catch((error: unknown) => {
      this.#lost(error);
    });
    this.#under.push(ended);
  }

  #until(): AbortSignal {
    return AbortSignal.any([this.o.signal, this.#stop.signal]);
  }

  /** The first reason counts. */
  #lost(why: unknown): void {
    if (this.#stop.signal.aborted) return;
    this.#why ??= why instanceof Error ? why.message : String(why);
    this.#stop.abort();
    this.o.onNote(
      `not the short way back, but every key is read in the freeze: ${this.#why}`,
      true,
    );
  }
}
