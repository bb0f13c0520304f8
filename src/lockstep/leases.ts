/**
 * Leases on the target: the same id and TTL as on the source, and kept from expiring.
 *
 * An expiry on the target would delete keys by itself and use up a revision. So a lease that holds
 * keys there is refreshed, whatever becomes of it on the source: when it ends there, its keys'
 * deletions arrive through the watch like any others. A lease without keys is left to expire, which
 * deletes nothing and uses no revision.
 */
import { hasCode } from '../errors.js';
import { failpoint } from '../failpoint.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import type { WholeRevision } from '../mvcc/record.js';
import { repeat } from '../tasks.js';
import type { EtcdClient } from '../wire/client.js';
import { ofSource } from './trouble.js';

/** Granted when the source knows the lease no more: its keys' deletions are on their way. */
const GONE_TTL_SECONDS = 3600;
const TICK_MS = 500;
const REFRESH_AT_ONCE = 64;

interface Known {
  ttlSeconds: number;
  /** Until then (ms, monotonic) the lease surely lives; a third of its TTL after it was last refreshed. */
  dueMs: number;
}

export interface LeaseKeeperOptions {
  /** The leases that were there before; all of the target's unless given. */
  list?: () => Promise<Iterable<bigint>>;
  /** Whether a key is of ours, so that its lease is ours to keep; all are unless given. */
  isOurs?: (key: Buffer) => boolean;
  /** Called when one is found to have ended on the target, and maybe keys with it. */
  onGone?: (lease: bigint) => void;
}

export class LeaseKeeper {
  readonly #known = new Map<bigint, Known>();
  #listed = false;
  #begun = false;

  constructor(
    private readonly source: EtcdClient,
    private readonly target: EtcdClient,
    private readonly options: LeaseKeeperOptions = {},
  ) {}

  /** The target is ours: from now on its leases are refreshed. */
  begin(): void {
    this.#begun = true;
  }

  /** Makes sure that every lease that these records name lives on the target. */
  async ensure({ records }: WholeRevision): Promise<void> {
    for (const { bytes, tombstone } of records) {
      if (tombstone) continue;
      const { lease } = parseKeyValue(bytes);
      if (lease === 0n) continue;
      const known = this.#known.get(lease);
      if (!known || known.dueMs <= performance.now()) await this.#grant(lease);
    }
  }

  /** A put found its lease gone: nothing that is remembered can be relied on. */
  forget(): void {
    this.#known.clear();
    this.#listed = false;
  }

  /** Refreshes for as long as `signal` lets it. Errors are left to the next round. */
  async run(signal: AbortSignal): Promise<void> {
    await repeat(TICK_MS, signal, async () => {
      if (!this.#begun) return;
      if (!this.#listed) await this.#list();
      await this.#refresh();
    });
  }

  async #grant(lease: bigint): Promise<void> {
    const ttlSeconds = (await ofSource(this.source.leaseTtl(lease))) ?? GONE_TTL_SECONDS;
    failpoint('lease.grant');
    try {
      await this.target.leaseGrant(lease, ttlSeconds);
      failpoint('lease.granted');
      if (this.#known.has(lease)) this.options.onGone?.(lease);
    } catch (error) {
      if (!hasCode(error, 'LEASE_EXISTS')) throw error;
      await this.target.leaseKeepAlive([lease]);
    }
    this.#remember(lease, ttlSeconds);
  }

  async #list(): Promise<void> {
    const { list = () => this.target.leases() } = this.options;
    for (const lease of await list()) {
      if (!this.#known.has(lease)) this.#known.set(lease, { ttlSeconds: 0, dueMs: 0 });
    }
    this.#listed = true;
  }

  async #refresh(): Promise<void> {
    const due = [...this.#known].filter(([, known]) => known.dueMs <= performance.now());
    for (let i = 0; i < due.length; i += REFRESH_AT_ONCE) {
      const some = due.slice(i, i + REFRESH_AT_ONCE);
      const infos = await Promise.all(some.map(([lease]) => this.target.leaseInfo(lease)));
      const held: bigint[] = [];
      for (const [n, [lease, known]] of some.entries()) {
        // `ensure` may have renewed it meanwhile for a put that is on its way.
        if (this.#known.get(lease) !== known) continue;
        if (infos[n]?.keys.some((key) => this.#isOurs(key))) held.push(lease);
        else this.#known.delete(lease);
        if (!infos[n]) this.options.onGone?.(lease);
      }
      await this.target.leaseKeepAlive(held);
      for (const [n, [lease]] of some.entries())
        if (held.includes(lease)) this.#remember(lease, infos[n]?.grantedTtlSeconds ?? 0);
    }
  }

  #isOurs(key: Buffer): boolean {
    return this.options.isOurs?.(key) ?? true;
  }

  #remember(lease: bigint, ttlSeconds: number): void {
    this.#known.set(lease, { ttlSeconds, dueMs: performance.now() + (ttlSeconds * 1000) / 3 });
  }
}
