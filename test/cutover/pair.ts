/**
 * A source and a target in lockstep, a follower between them in this process, and a takeover that can
 * be undone: one pair of servers then lives through dozens of them.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attempts } from '../../src/async/patience.js';
import { beside } from '../../src/async/together.js';
import { LiveAudit } from '../../src/audit/live.js';
import { takeOver } from '../../src/cutover/takeover.js';
import { LockstepError } from '../../src/errors.js';
import { prefixRange, PrefixSet, probeKey } from '../../src/mvcc/prefix.js';
import { untilEqual, untilQuiet } from '../../src/proof/drain.js';
import { look, type Claim } from '../../src/target/claim.js';
import { CURSOR_KEY, encodeCursor } from '../../src/target/cursor.js';
import { CUTOVER_KEY, encodeCutover, type Phase } from '../../src/target/cutoverstate.js';
import { CHAIN_KEY, encodeLink } from '../../src/target/chain.js';
import { OWNER_KEY, thisRun, type Owner } from '../../src/target/nightowner.js';
import type { Identity } from '../../src/target/stock.js';
import { EtcdTarget } from '../../src/target/target.js';
import { put } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';
import { follow, followUntilSynced } from '../oracle/following.js';
import { compareRows, rowsOf, type OracleRows } from '../oracle/rows.js';
import type { Etcd } from '../rig/etcd.js';

const KEY = probeKey(PrefixSet.of([PODS]));
const QUIET_MS = 20;
const DRAINED_WITHIN_MS = 30_000;
const POLL_MS = 5;

/** Who takes over, and by which connection. */
export interface TakeoverBy {
  self?: Owner;
  client?: EtcdClient;
}

/** Hears how tries end, and says nothing. */
export const silent: Attempts = { failed: () => undefined, answered: () => undefined };

/** A follower under way. */
export interface Follower {
  /** What it ended with: the cutover that has taken it over, an error, undefined after `stop`. */
  ended: Promise<unknown>;
  /** Ends it as Ctrl-C would. */
  stop(): Promise<void>;
}

export class Pair {
  readonly source: EtcdClient;
  readonly targetClient: EtcdClient;
  readonly #followers: Follower[] = [];

  private constructor(
    readonly stage: Stage,
    readonly seeded: Seeded,
    readonly target: Etcd,
    readonly identity: Identity,
  ) {
    this.source = stage.client;
    this.targetClient = new EtcdClient(target.endpoint, 'target');
  }

  /** @param keys pods that are there from the start */
  static async start(keys = 5): Promise<Pair> {
    const stage = await Stage.start();
    for (let i = 0; i < keys; i++) await stage.put(`${PODS}${i}`);
    const seeded = await stage.seed();
    const target = await stage.etcd(seeded.base);
    const { clusterId } = await stage.client.head();
    return new Pair(stage, seeded, target, { source: clusterId, prefixes: PrefixSet.of([PODS]) });
  }

  async end(): Promise<void> {
    await Promise.all(this.#followers.map((follower) => follower.stop()));
    this.targetClient.close();
    await this.stage.end();
  }

  /** Follows until it ends by itself or is stopped. */
  follow(target = this.target.endpoint): Follower {
    const stop = new AbortController();
    const { journal } = this.seeded;
    const ended = follow(
      { journal, source: this.stage.source.endpoint, target },
      { until: { kind: 'signal' }, signal: stop.signal, onNote: () => undefined },
    ).then(
      ({ cutover }) => cutover ?? undefined,
      (error: unknown) => error,
    );
    const follower = {
      ended,
      async stop() {
        stop.abort();
        await ended;
      },
    };
    this.#followers.push(follower);
    return follower;
  }

  /** Follows until the target is where the source is now, also over what was compacted. */
  async synced(): Promise<void> {
    const { journal } = this.seeded;
    await followUntilSynced(
      { journal, source: this.stage.source.endpoint, target: this.target.endpoint },
      { repair: true },
    );
  }

  async heads(): Promise<{ source: number; target: number }> {
    const { revision } = await this.source.head();
    return { source: revision, target: (await this.targetClient.head()).revision };
  }

  /** From where the target stands. */
  async liveAudit(): Promise<LiveAudit> {
    const after = (await this.heads()).target;
    const { prefixes } = this.identity;
    return LiveAudit.of(this.source, this.targetClient, {
      prefixes,
      after,
      onNote: () => undefined,
    });
  }

  /** Drains as a cutover does. @returns up to where both sides were found equal */
  async drained(audit?: LiveAudit): Promise<number> {
    const live = audit ?? (await this.liveAudit());
    const main = async (signal: AbortSignal) => {
      const drain = {
        ...{ source: this.source, key: KEY, audit: live, quietMs: QUIET_MS, signal },
        deadline: performance.now() + DRAINED_WITHIN_MS,
      };
      const equal = await untilQuiet(drain);
      await untilEqual(drain, equal);
      return equal;
    };
    const never = new AbortController().signal;
    return audit ? main(never) : beside(never, [(stop) => live.run(stop)], main);
  }

  takeOver(
    equal: number,
    { self = thisRun('cutover'), client = this.targetClient }: TakeoverBy = {},
  ): Promise<Claim> {
    const signal = AbortSignal.timeout(DRAINED_WITHIN_MS);
    return takeOver(
      { target: client, self, tell: silent, signal },
      { ...this.identity, equal, signal, frozenAt: null, resources: ['pods'] },
    );
  }

  /** As if a command had come to there; nobody is asked whose the night is. */
  async setPhase(phase: Phase): Promise<void> {
    const { stored } = await look(this.targetClient);
    const value = encodeCutover({ ...stored.state, phase });
    await this.targetClient.txn({ success: [put(CUTOVER_KEY, value)] });
  }

  /** What `fence` needs and everything after it: synced, drained and taken over. */
  async taken(): Promise<Claim> {
    await this.synced();
    return this.takeOver((await this.heads()).target);
  }

  /**
   * Makes as if the target had never been taken over: a cursor that accounts for what the takeover has
   * written. The source may hold nothing under the prefixes in those revisions, so it is made to have
   * passed them. There must be no follower, and nothing raised.
   */
  async undo(): Promise<void> {
    const { cursor, ownWrites } = await new EtcdTarget(this.targetClient).read();
    if (!cursor) throw new Error('the target has no cursor');
    const { revision: head } = await this.targetClient.txn({
      success: [CUTOVER_KEY, OWNER_KEY].map((key) => ({ requestDeleteRange: { key } })),
    });
    const revision = head + 1;
    const value = encodeCursor({ ...cursor, revision, ownWrites: ownWrites + 1, follower: null });
    await this.targetClient.txn({
      success: [put(CURSOR_KEY, value), put(CHAIN_KEY, encodeLink({ term: 'undone', revision }))],
    });
    while ((await this.heads()).source < revision) await this.stage.foreign(1);
  }

  /** Every MVCC row of both up to there. @returns the first difference */
  async difference(upTo: number): Promise<string | undefined> {
    const [there, here] = await Promise.all([
      rowsOf(this.stage.source, [PODS]),
      rowsOf(this.target, [PODS]),
    ]);
    return compareRows(cutAt(there, upTo), cutAt(here, upTo));
  }

  /** What both hold at that revision, as the messages that Range gives. */
  async rowsAt(revision: number): Promise<{ source: string[]; target: string[] }> {
    const at = { ...prefixRange(PODS), revision };
    const [there, here] = await Promise.all([this.source.range(at), this.targetClient.range(at)]);
    const text = (rows: Buffer[]) => rows.map((row) => row.toString('latin1'));
    return { source: text(there.rows), target: text(here.rows) };
  }
}

function cutAt({ rows, compactRevision }: OracleRows, head: number): OracleRows {
  return { rows: rows.filter(({ main }) => main <= head), head, compactRevision };
}

/** Writes to a store as fast as it takes it, from so many clients at once, until it is stopped. */
export class Busy {
  writes = 0;
  #stopped = false;
  readonly #done: Promise<unknown>;

  constructor(client: EtcdClient, key: (n: number) => string, { atOnce = 8, everyMs = 0 } = {}) {
    const worker = async () => {
      while (!this.#stopped) {
        const n = ++this.writes;
        const success = [put(Buffer.from(key(n)), Buffer.from(`${n}`))];
        await client.txn({ success }).catch(() => sleep(POLL_MS));
        if (everyMs > 0) await sleep(everyMs);
      }
    };
    this.#done = Promise.all(Array.from({ length: atOnce }, worker));
  }

  /** Waits for so many more. */
  async more(writes: number): Promise<void> {
    const goal = this.writes + writes;
    while (this.writes < goal) await sleep(POLL_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#done;
  }
}

/** A client whose transactions can be meddled with, one by one. */
export class MeddledClient extends EtcdClient {
  /** Gets what sends the transaction, and its number from 1; undefined: nothing is done. */
  meddle: ((send: () => Promise<Answer>, n: number) => Promise<Answer>) | undefined;
  #n = 0;

  override txn(request: Parameters<EtcdClient['txn']>[0]): Promise<Answer> {
    const send = () => super.txn(request);
    return this.meddle ? this.meddle(send, ++this.#n) : send();
  }
}

type Answer = Awaited<ReturnType<EtcdClient['txn']>>;

/** Waits for what will come; what passes meanwhile does not matter, and mocha's timeout is the limit. */
export async function until(holds: () => Promise<boolean> | boolean): Promise<void> {
  for (;;) {
    const held = await Promise.resolve(holds()).catch(() => false);
    if (held) return;
    await sleep(POLL_MS);
  }
}

/** What it fails with; one of ours, or it is thrown. */
export async function failure(done: Promise<unknown>): Promise<LockstepError> {
  const error = await done.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof LockstepError))
    throw new Error(`not refused by one of ours: ${String(error)}`, { cause: error });
  return error;
}
