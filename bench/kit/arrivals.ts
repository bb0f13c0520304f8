/** When what was written on a source has arrived on a target. */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { PODS, stampOf } from './data.js';
import type { Store } from './etcds.js';

const ARRIVES_WITHIN_SECONDS = 30;

/** When which value was seen on a target. */
export class Arrivals {
  readonly #seen = new Map<string, number>();
  #failure: unknown;

  /** Watches from now on, until the store's client is closed. */
  static async on(store: Store): Promise<Arrivals> {
    const arrivals = new Arrivals();
    const stream = await store.client.watch();
    stream.send({ createRequest: prefixRange(PODS) });
    void (async () => {
      for await (const { events } of stream.messages()) {
        const now = performance.now();
        for (const { kv } of events)
          if (kv) arrivals.#seen.set(stampOf(parseKeyValue(kv).value), now);
      }
    })().catch((error: unknown) => {
      arrivals.#failure = error;
    });
    return arrivals;
  }

  /**
   * What was asked for is forgotten.
   * @throws when one does not arrive
   */
  async lags(written: readonly [stamp: string, at: number][]): Promise<number[]> {
    const deadline = performance.now() + ARRIVES_WITHIN_SECONDS * 1000;
    while (!written.every(([stamp]) => this.#seen.has(stamp))) {
      // A watch that has ended sees nothing, whoever is late.
      if (this.#failure !== undefined) throw new Error('not watched', { cause: this.#failure });
      if (performance.now() > deadline) throw new Error('something does not arrive');
      await sleep(50);
    }
    const lags = written.map(([stamp, at]) => this.#seen.get(stamp)! - at);
    for (const [stamp] of written) this.#seen.delete(stamp);
    return lags;
  }
}
