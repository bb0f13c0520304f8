/** Writes to a source: as fast as it takes them, or at a rate; a share of them to pods. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdClient } from '../../src/wire/client.js';
import { foreignKey, podKey, stampOf, type Values } from './data.js';

const IN_FLIGHT = 64;
const TICK_MS = 5;

export async function put(client: EtcdClient, key: Buffer, value: Buffer): Promise<number> {
  return (await client.txn({ success: [{ requestPut: { key, value } }] })).revision;
}

/** Spreads the pods evenly: of 100 writes in a row, `share` per cent are to pods. */
function isPod(i: number, share: number): boolean {
  return Math.floor(((i + 1) * share) / 100) > Math.floor((i * share) / 100);
}

export class Load {
  #made = 0;

  /** @param keys so many pods and other keys there are; all writes go to these */
  constructor(
    private readonly client: EtcdClient,
    private readonly values: Values,
    private readonly keys: number,
  ) {}

  /** One write; what tells it from the others, if it went to a pod. */
  async #write(share: number): Promise<string | undefined> {
    const i = this.#made++;
    const pod = isPod(i, share);
    const key = pod ? podKey(i % this.keys) : foreignKey(i % this.keys);
    // Above those of the base, so that every write changes something.
    const value = this.values.value(1e7 + i);
    await put(this.client, key, value);
    return pod ? stampOf(value) : undefined;
  }

  /** Writes so many revisions, many at once. */
  async backlog(revisions: number, share: number): Promise<void> {
    let left = revisions;
    const worker = async () => {
      while (left-- > 0) await this.#write(share);
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
  }

  /**
   * Writes at a rate.
   * @param onPod called with the value's stamp when the source has answered the write of a pod
   */
  async steadily(
    { perSecond, seconds, share }: { perSecond: number; seconds: number; share: number },
    onPod: (stamp: string) => void,
  ): Promise<void> {
    const started = performance.now();
    const all = perSecond * seconds;
    const writes: Promise<void>[] = [];
    while (writes.length < all) {
      const due = Math.min(all, Math.floor(((performance.now() - started) / 1000) * perSecond));
      while (writes.length < due)
        writes.push(
          this.#write(share).then((stamp) => {
            if (stamp !== undefined) onPod(stamp);
          }),
        );
      await sleep(TICK_MS);
    }
    await Promise.all(writes);
  }
}
