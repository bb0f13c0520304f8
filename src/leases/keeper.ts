/**
 * Leases on the target: the same id and TTL as on the source, and kept from expiring.
 *
 * An expiry on the target would delete keys by itself and use up a revision. So a lease that holds
 * keys there is refreshed, whatever becomes of it on the source: when it ends there, its keys'
 * deletions arrive through the watch like any others. A lease without keys is left to expire, which
 * deletes nothing and uses no revision. One that the source does not have: lostlease.ts.
 *
 * Only an answer is a refresh: a proxy between here and the target may take the request and lose it.
 */
import { repeat } from '../async/again.js';
import type { Attempts } from '../async/patience.js';
import { hasCode, LockstepError } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { leaseOf } from '../mvcc/keyvalue.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { EtcdClient, LeaseInfo } from '../wire/client.js';
import { LOST_LEASE_TTL_SECONDS } from './lostlease.js';

/** What a failure means that lasts. */
export const LEASES_NOT_KEPT = 'leases on the target are not refreshed';

const TICK_MS = 500;
const REFRESH_AT_ONCE = 64;
/** One refresh may meet an election. */
const MISSES_TOLD = 2;

interface Known {
  ttlSeconds: number;
  /** Until then (ms, monotonic) the lease surely lives; a third of its TTL after it was last refreshed. */
  dueMs: number;
}

/** How the leases on the target fare. */
export interface LeasesKept {
  /** Leases there that hold keys of ours. */
  kept: number;
  /** Of these: refreshes were sent, more than once, and not answered. */
  missed: number;
  /** Until the first of the missed ends, and deletes its keys; null: none is missed. */
  endsInSeconds: number | null;
}

/** Refreshes of a lease that were sent in a row and not answered. */
interface Missed {
  times: number;
  /** When it ends (ms, monotonic), as the target said before the last of them. */
  endsMs: number;
}

interface LeaseKeeperOptions {
  /** The leases that were there before; all of the target's unless given. */
  list?: () => Promise<Iterable<bigint>>;
  /** Whether a key is of ours, so that its lease is ours to keep; all are unless given. */
  isOurs?: (key: Buffer) => boolean;
  /** Called when one is found to have ended on the target, and maybe keys with it. */
  onGone?: (lease: bigint) => void;
  /** Hears how each round has ended. */
  told?: Attempts;
  /** Called once when refreshes begin to be missed, see {@link LeaseKeeper.trouble}. */
  onTrouble?: (error: LockstepError) => void;
}

export class LeaseKeeper {
  readonly #known = new Map<bigint, Known>();
  readonly #missed = new Map<bigint, Missed>();
  #listed = false;
  #begun = false;
  #told = false;

  constructor(
    private readonly source: EtcdClient,
    private readonly target: EtcdClient,
    private readonly options: LeaseKeeperOptions = {},
  ) {}

  /** Leases that are not refreshed although the target answers, and how long that may last. */
  get trouble(): LockstepError | undefined {
    const { missed, endsInSeconds } = this.kept;
    return endsInSeconds === null ? undefined : notRefreshed(missed, endsInSeconds);
  }

  get kept(): LeasesKept {
    const missing = [...this.#missed.values()].filter(({ times }) => times >= MISSES_TOLD);
    const endsMs = missing.reduce((first, one) => Math.min(first, one.endsMs), Infinity);
    const leftSeconds = Math.max(0, endsMs - performance.now()) / 1000;
    const endsInSeconds = missing.length === 0 ? null : Math.round(leftSeconds);
    return { kept: this.#known.size, missed: missing.length, endsInSeconds };
  }

  /** The target is ours: from now on its leases are refreshed. */
  begin(): void {
    this.#begun = true;
  }

  /** It is another's, who refreshes them, and grants others meanwhile. */
  end(): void {
    this.#begun = false;
    this.forget();
  }

  /** Makes sure that every lease that these records name lives on the target. */
  async ensure({ records }: WholeRevision): Promise<void> {
    for (const { bytes, tombstone } of records) {
      if (tombstone) continue;
      const lease = leaseOf(bytes);
      if (lease === 0n) continue;
      const known = this.#known.get(lease);
      if (!known || known.dueMs <= performance.now()) await this.#grant(lease);
    }
  }

  /** A put found its lease gone: nothing that is remembered can be relied on. */
  forget(): void {
    this.#known.clear();
    this.#missed.clear();
    this.#listed = false;
  }

  /** Refreshes for as long as `signal` lets it. Errors are left to the next round. */
  async run(signal: AbortSignal): Promise<void> {
    const round = async () => {
      if (!this.#begun) return;
      if (!this.#listed) await this.#list();
      await this.#refresh();
    };
    await repeat(TICK_MS, signal, round, this.options.told);
  }

  async #grant(lease: bigint): Promise<void> {
    const ttlSeconds = (await this.source.leaseTtl(lease)) ?? LOST_LEASE_TTL_SECONDS;
    failpoint('leases.grant');
    try {
      await this.target.leaseGrant(lease, ttlSeconds);
      failpoint('leases.granted');
      if (this.#known.has(lease)) this.options.onGone?.(lease);
    } catch (error) {
      if (!hasCode(error, 'LEASE_EXISTS')) throw error;
      const answered = await this.target.leaseKeepAlive([lease]);
      if (!answered.has(lease)) {
        // Due at once; the refresh that is missed then is told.
        this.#known.set(lease, { ttlSeconds, dueMs: 0 });
        return;
      }
    }
    this.#remember(lease, ttlSeconds);
  }

  async #list(): Promise<void> {
    const { list = () => this.target.leases() } = this.options;
    const there = await list();
    if (!this.#begun) return;
    for (const lease of there) {
      if (!this.#known.has(lease)) this.#known.set(lease, { ttlSeconds: 0, dueMs: 0 });
    }
    this.#listed = true;
  }

  async #refresh(): Promise<void> {
    const due = [...this.#known].filter(([, known]) => known.dueMs <= performance.now());
    for (let i = 0; i < due.length; i += REFRESH_AT_ONCE) {
      const some = due.slice(i, i + REFRESH_AT_ONCE);
      const infos = await Promise.all(some.map(([lease]) => this.target.leaseInfo(lease)));
      const held = new Map<bigint, LeaseInfo>();
      for (const [n, [lease, known]] of some.entries()) {
        // `ensure` may have renewed it meanwhile for a put that is on its way.
        if (this.#known.get(lease) !== known) continue;
        const info = infos[n];
        if (info?.keys.some((key) => this.#isOurs(key))) held.set(lease, info);
        else this.#drop(lease);
        if (!info) this.options.onGone?.(lease);
      }
      const answered = await this.#keepAlive(held);
      for (const [lease, { grantedTtlSeconds }] of held)
        if (answered.has(lease)) this.#remember(lease, grantedTtlSeconds);
    }
  }

  /** @returns which of them were answered for; the others are due at once again */
  async #keepAlive(held: ReadonlyMap<bigint, LeaseInfo>): Promise<Set<bigint>> {
    const now = performance.now();
    let answered = new Set<bigint>();
    try {
      answered = await this.target.leaseKeepAlive([...held.keys()]);
    } finally {
      for (const [lease, { leftSeconds }] of held) {
        const times = (this.#missed.get(lease)?.times ?? 0) + 1;
        if (answered.has(lease)) this.#missed.delete(lease);
        else this.#missed.set(lease, { times, endsMs: now + leftSeconds * 1000 });
      }
      this.#tell();
    }
    return answered;
  }

  #tell(): void {
    const { trouble } = this;
    if (trouble && !this.#told) this.options.onTrouble?.(trouble);
    this.#told = trouble !== undefined;
  }

  #drop(lease: bigint): void {
    this.#known.delete(lease);
    this.#missed.delete(lease);
  }

  #isOurs(key: Buffer): boolean {
    return this.options.isOurs?.(key) ?? true;
  }

  #remember(lease: bigint, ttlSeconds: number): void {
    this.#known.set(lease, { ttlSeconds, dueMs: performance.now() + (ttlSeconds * 1000) / 3 });
  }
}

function notRefreshed(leases: number, leftSeconds: number): LockstepError {
  const first = leases === 1 ? 'It ends' : 'The first ends';
  return new LockstepError(
    'NO_LEASE',
    `${leases === 1 ? 'a lease' : `${leases} leases`} on the target cannot be kept alive: it takes the refreshes and answers none. ${first} in ${leftSeconds.toFixed(0)} s, and deletes its keys`,
    {
      hint: 'Is there a proxy before the target? Give the members themselves to --dest-endpoints. Where a lease has ended there, the target is no exact copy any more.',
    },
  );
}
