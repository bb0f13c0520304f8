/** How work is while it goes on, and how it ends: by itself, by its signal, by leaving the loop. */
import { expect } from 'chai';
import { statuses, type Live } from '../../src/async/statuses.js';

/** Work that counts how often it was asked, and goes on until it is told to stop, or fails. */
class Work implements Live<number> {
  asked = 0;
  ended = false;
  #fail: (error: Error) => void = () => undefined;

  constructor(private readonly stop: AbortSignal) {}

  get status(): number {
    return ++this.asked;
  }

  async run(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#fail = reject;
      this.stop.addEventListener('abort', () => {
        resolve();
      });
    });
    // What is under way is still done.
    await new Promise(setImmediate);
    this.ended = true;
  }

  fail(why: string): void {
    this.#fail(new Error(why));
  }
}

describe('statuses', () => {
  let work: Work;
  const begin = (stop: AbortSignal) => (work = new Work(stop));

  it('left: the work has ended when the loop is left', async () => {
    for await (const status of statuses({ everyMs: 1 }, begin)) if (status === 3) break;
    expect(work.ended).to.be.true;
    expect(work.asked).to.equal(3);
  });

  it('left by an error of its reader: the same, and the error is his', async () => {
    const read = async () => {
      for await (const _ of statuses({ everyMs: 1 }, begin)) throw new Error("the reader's");
    };
    expect(await failure(read())).to.equal("the reader's");
    expect(work.ended).to.be.true;
  });

  it('stopped by its signal, it gives the last one at once', async () => {
    const stop = new AbortController();
    const seen: number[] = [];
    const read = (async () => {
      for await (const status of statuses({ everyMs: 1e9, signal: stop.signal }, begin))
        seen.push(status);
    })();
    stop.abort();
    await read;
    expect(seen).to.deep.equal([1]);
    expect(work.ended).to.be.true;
  });

  it('what it fails with comes behind its last status', async () => {
    const seen: number[] = [];
    const read = (async () => {
      for await (const status of statuses({ everyMs: 1e9 }, begin)) seen.push(status);
    })();
    await new Promise(setImmediate);
    work.fail('it broke');
    expect(await failure(read)).to.equal('it broke');
    expect(seen).to.deep.equal([1]);
  });

  it('fails while its reader is busy elsewhere: it is his when he comes back', async () => {
    const iterator = statuses({ everyMs: 1 }, begin);
    await iterator.next();
    work.fail('meanwhile');
    await new Promise((resolve) => setTimeout(resolve, 5));
    await iterator.next();
    expect(await failure(iterator.next())).to.equal('meanwhile');
  });
});

/** The message of the error that it ends with. */
async function failure(of: Promise<unknown>): Promise<string> {
  return of.then(
    () => 'it did not fail',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );
}
