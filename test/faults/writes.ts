/** Somebody who uses the source all the time, whatever happens to it, and can be made to pause. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { EtcdClient } from '../../src/wire/client.js';
import type { Op } from '../oracle/history.js';
import { HistoryWriter } from '../oracle/writer.js';
import type { Etcd } from '../rig/etcd.js';

/** Pods of all sizes, foreign keys, transactions, deletions, leases; a megabyte now and then. */
const ROUND: readonly Op[] = [
  { kind: 'put', key: 0, size: 'small', lease: false },
  { kind: 'foreign', count: 12 },
  { kind: 'lease', keys: 6 },
  { kind: 'put', key: 1, size: 'page', lease: true },
  { kind: 'put', key: 6, size: 'small', lease: true },
  {
    kind: 'txn',
    writes: [
      { key: 0, size: 'page', delete: false },
      { key: 3, size: 'small', delete: false },
      { key: 9, size: 'small', delete: false },
      { key: 1, size: 'empty', delete: true },
    ],
  },
  { kind: 'foreign', count: 3 },
  { kind: 'put', key: 2, size: 'megabyte', lease: false },
  { kind: 'put and delete', writes: [{ key: 4, size: 'page', delete: false }], key: 1, range: 1 },
  { kind: 'delete', key: 3 },
  { kind: 'foreign', count: 40 },
  { kind: 'put', key: 1, size: 'small', lease: true },
  { kind: 'revoke' },
];

const FAILED_MS = 100;

export class Writes {
  #stopped = false;
  #paused = false;
  /** Resolves when no operation is under way and none will begin. */
  #idle: Promise<void>;
  readonly #writer: HistoryWriter;

  /** @param everyMs between two operations */
  constructor(
    etcd: Etcd,
    client: EtcdClient,
    private readonly everyMs = 50,
  ) {
    this.#writer = new HistoryWriter(etcd, client);
    this.#idle = Promise.resolve();
  }

  /** Operations carried out so far. */
  done = 0;

  /** The source's head after the last write that was answered. */
  get head(): number {
    return this.#writer.head;
  }

  /** Waits until something was written that was not under way already; returns its revision. */
  async another(): Promise<number> {
    const before = this.head;
    while (this.head === before) await sleep(20);
    const { head } = this;
    while (this.head === head) await sleep(20);
    return this.head;
  }

  /** The whole round once. */
  async once(): Promise<void> {
    await this.#writer.all(ROUND);
  }

  start(): void {
    this.#paused = false;
    if (!this.#stopped) this.#idle = this.#run();
  }

  async pause(): Promise<void> {
    this.#paused = true;
    await this.#idle;
  }

  async end(): Promise<void> {
    this.#stopped = true;
    await this.pause();
  }

  async #run(): Promise<void> {
    while (!this.#paused) {
      try {
        await this.#writer.apply(ROUND[this.done % ROUND.length]!);
        await sleep(this.everyMs);
      } catch {
        // The source is away, or its answer was lost; the oracle does not care which.
        await sleep(FAILED_MS);
      }
      this.done++;
    }
  }
}
