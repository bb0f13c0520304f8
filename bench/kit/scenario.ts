/** What a scenario is given. */
import { count } from '../../src/text.js';
import { snapshotOf, Values } from './data.js';
import { Store } from './etcds.js';
import { inFolder, say } from './place.js';
import type { Row } from './result.js';

export type Scenario = (bench: Bench) => Promise<Row[]>;

export class Bench {
  #source: { keys: number; store: Store } | undefined;

  private constructor(
    readonly sizes: readonly number[],
    readonly runs: number,
    readonly values: Values,
    private readonly folder: string,
  ) {}

  /** Everything that was started in between has ended after it. */
  static async with<T>(
    sizes: readonly number[],
    runs: number,
    use: (bench: Bench) => Promise<T>,
  ): Promise<T> {
    return inFolder(async (folder) => {
      const bench = new Bench(sizes, runs, await Values.load(), folder);
      try {
        return await use(bench);
      } finally {
        await bench.#source?.store.remove();
      }
    });
  }

  async snapshot(keys: number): Promise<string> {
    return snapshotOf(keys, this.values);
  }

  /** A live source with so many pods. It is shared by scenarios, so nobody may write to it. */
  async source(keys: number): Promise<Store> {
    if (this.#source?.keys === keys) return this.#source.store;
    await this.#source?.store.remove();
    this.#source = undefined;
    const snapshot = await this.snapshot(keys);
    say(`a source with ${keysText(keys)}`);
    const store = await Store.restored(this.folder, snapshot);
    this.#source = { keys, store };
    return store;
  }
}

export function keysText(keys: number): string {
  return `${count(keys)} keys`;
}
