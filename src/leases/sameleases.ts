/** Leases that rows name, granted on the other side under the same id before the rows are put there. */
import { hasCode } from '../errors.js';
import type { EtcdClient } from '../wire/client.js';
import { LOST_LEASE_TTL_SECONDS } from './lostlease.js';

export class SameLeases {
  readonly #granted = new Map<bigint, Promise<void>>();

  constructor(
    private readonly from: EtcdClient,
    private readonly to: EtcdClient,
  ) {}

  async ensure(lease: bigint): Promise<void> {
    if (lease === 0n) return;
    const granting = this.#granted.get(lease) ?? this.#grant(lease);
    this.#granted.set(lease, granting);
    await granting;
  }

  async #grant(lease: bigint): Promise<void> {
    const ttl = (await this.from.leaseTtl(lease)) ?? LOST_LEASE_TTL_SECONDS;
    await this.to.leaseGrant(lease, ttl).catch((error: unknown) => {
      if (!hasCode(error, 'LEASE_EXISTS')) throw error;
    });
  }
}
