/**
 * Revisions that are none of ours, at a rate, for little of the machine: as proposals through the source's
 * own peer port, a message every few milliseconds. (What is measured never does that to a source.)
 */
import { repeat } from '../../src/async/again.js';
import { Peers } from '../../src/target/peers.js';
import type { Store } from './etcds.js';

const EVERY_MS = 10;

export class ForeignRevisions {
  readonly #stop = new AbortController();
  readonly #made: Promise<void>;

  constructor(source: Store, perSecond: number) {
    this.#made = this.#make(source, perSecond);
  }

  async #make({ client, etcd }: Store, perSecond: number): Promise<void> {
    const peers = new Peers(client, { urls: [`http://127.0.0.1:${etcd.peerPort}`] });
    const port = await peers.open();
    const started = performance.now();
    let made = 0;
    const once = async () => {
      const due = Math.floor(((performance.now() - started) / 1000) * perSecond) - made;
      if (due > 0) await port.raise(due, []);
      made += due;
    };
    await repeat(EVERY_MS, this.#stop.signal, once, undefined);
    peers.close();
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#made;
  }
}
