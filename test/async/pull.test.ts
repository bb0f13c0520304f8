/** pull: nothing is asked for before the last one is stored, and it ends only when all is stored. */
import { expect } from 'chai';
import { lastValueFrom, of, toArray } from 'rxjs';
import { pull } from '../../src/async/pull.js';

/** Stores when it is told to. */
class Store {
  readonly begun: number[] = [];
  #finish: (() => void) | undefined;

  readonly put = async (item: number): Promise<string> => {
    this.begun.push(item);
    await new Promise<void>((resolve) => {
      this.#finish = resolve;
    });
    return `stored ${item}`;
  };

  async finish(): Promise<void> {
    this.#finish?.();
    await settled();
  }
}

/** Everything that can go on by itself has gone on. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('pull', () => {
  let asked: number;
  let returned: boolean;
  beforeEach(() => {
    asked = 0;
    returned = false;
  });

  // eslint-disable-next-line @typescript-eslint/require-await
  async function* source(until: number, then?: Error): AsyncGenerator<number> {
    try {
      while (asked < until) {
        asked++;
        yield asked;
      }
      if (then) throw then;
    } finally {
      returned = true;
    }
  }

  it('asks for the next item only when the last one is stored', async () => {
    const store = new Store();
    const seen: string[] = [];
    of(source(3))
      .pipe(pull(store.put))
      .subscribe((stored) => seen.push(stored));
    await settled();
    for (const item of [1, 2, 3]) {
      expect([asked, store.begun.at(-1), seen.length]).to.deep.equal([item, item, item - 1]);
      await store.finish();
    }
    expect(seen).to.deep.equal(['stored 1', 'stored 2', 'stored 3']);
  });

  it('takes one source after another, and completes behind the last item', async () => {
    const two = of(source(2), source(4));
    const stored = await lastValueFrom(
      two.pipe(
        pull((item) => item * 10),
        toArray(),
      ),
    );
    expect(stored).to.deep.equal([10, 20, 30, 40]);
  });

  it('what cannot be stored ends the source, and is the error', async () => {
    const full = new Error('disk full');
    const stored = of(source(9)).pipe(pull((item) => (item < 3 ? item : Promise.reject(full))));
    expect(await lastValueFrom(stored).catch((error: unknown) => error)).to.equal(full);
    expect([asked, returned]).to.deep.equal([3, true]);
  });

  it('what the source throws comes behind what is stored', async () => {
    const broken = new Error('cut');
    const seen: number[] = [];
    const error = await new Promise((resolve) => {
      of(source(2, broken))
        .pipe(pull((item) => item))
        .subscribe({ next: (item) => seen.push(item), error: resolve });
    });
    expect([error, seen]).to.deep.equal([broken, [1, 2]]);
  });

  it('unsubscribed, it asks for no more and lets the source go', async () => {
    const store = new Store();
    const subscription = of(source(9)).pipe(pull(store.put)).subscribe();
    await settled();
    subscription.unsubscribe();
    await store.finish();
    expect([asked, returned]).to.deep.equal([1, true]);
  });
});
