/**
 * What lives and dies together, and what is done again and again.
 *
 * What it catches. Each of these was put into together.ts or again.ts, found, and taken out again:
 *   of several failures the last thrown, by tasks or by lanes; a failure that does not abort the others
 *   tasks beside the main one that go on without it; a pause that takes no notice of an abort
 *   one lane too many; an end that does not wait for all
 *   a try that nobody hears of; what is told of a try that was ended from outside
 */
import { expect } from 'chai';
import { pause, repeat, untilAnswered } from '../../src/async/again.js';
import type { Attempts } from '../../src/async/patience.js';
import { Lanes, beside, runTogether } from '../../src/async/together.js';
import { LockstepError } from '../../src/errors.js';

const never = new AbortController().signal;
const passing = new LockstepError('UNAVAILABLE', 'away');
const lasting = new LockstepError('TARGET_DIFFERENT', 'different');

/** Resolves when it is aborted. */
const aborted = (signal: AbortSignal) => pause(2 ** 30, signal);
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
/** What it fails with. */
const thrown = (done: Promise<unknown>) =>
  done.then(
    () => undefined,
    (error: unknown) => error,
  );

describe('together and again', () => {
  describe('runTogether', () => {
    it('the first failure aborts the others, and is thrown when they have ended', async () => {
      let ended = false;
      const slow = async (signal: AbortSignal) => {
        await aborted(signal);
        await turn();
        ended = true;
        throw new Error('aborted');
      };
      const done = runTogether(never, [slow, () => Promise.reject(lasting)]);
      expect(await thrown(done)).to.equal(lasting);
      expect(ended).to.equal(true);
    });

    it('aborted from outside, what ends quietly is no failure', async () => {
      const stop = new AbortController();
      const done = runTogether(stop.signal, [aborted, aborted]);
      stop.abort();
      await done;
    });
  });

  describe('beside', () => {
    it('the others end when the main one has, and not before', async () => {
      let others = 0;
      const other = async (signal: AbortSignal) => {
        await aborted(signal);
        others++;
      };
      const result = await beside(never, [other, other], async () => {
        await turn();
        expect(others).to.equal(0);
        return 'done';
      });
      expect(result).to.equal('done');
      expect(others).to.equal(2);
    });

    it('a main one without a result ends like any other', async () => {
      expect(await thrown(beside(never, [aborted], () => Promise.resolve()))).to.equal(undefined);
    });

    it('one beside that fails: its failure, not what the aborted main one says', async () => {
      const main = async (signal: AbortSignal) => {
        await aborted(signal);
        signal.throwIfAborted();
      };
      const failing = async () => {
        await turn();
        throw lasting;
      };
      expect(await thrown(beside(never, [failing], main))).to.equal(lasting);
    });

    it('one beside that ends by itself leaves the main one alone', async () => {
      const main = async (signal: AbortSignal) => {
        await turn();
        return signal.aborted;
      };
      expect(await beside(never, [() => Promise.resolve()], main)).to.equal(false);
    });

    it('aborted from outside: the main one decides what that is', async () => {
      const stop = new AbortController();
      stop.abort();
      const quiet = await beside(stop.signal, [aborted], (signal) => aborted(signal).then(() => 1));
      expect(quiet).to.equal(1);
      const loud = beside(stop.signal, [aborted], (signal) => {
        signal.throwIfAborted();
        return Promise.resolve();
      });
      expect(await thrown(loud)).to.equal(stop.signal.reason);
    });
  });

  describe('repeat', () => {
    it('goes on after what passes, and not after what does not', async () => {
      let times = 0;
      const done = repeat(
        0,
        never,
        () => {
          if (++times < 5) return Promise.reject(passing);
          return Promise.reject(lasting);
        },
        undefined,
      );
      expect(await thrown(done)).to.equal(lasting);
      expect(times).to.equal(5);
    });

    it('ends when it is aborted, without waiting for the next time', async () => {
      const stop = new AbortController();
      let times = 0;
      await repeat(
        2 ** 30,
        stop.signal,
        () => {
          times++;
          setImmediate(() => {
            stop.abort();
          });
          return Promise.resolve();
        },
        undefined,
      );
      expect(times).to.equal(1);
    });
  });

  describe('who is told', () => {
    /** Writes down what it hears. */
    const listener = () => {
      const heard: string[] = [];
      const told = {
        failed: ({ code }: LockstepError) => heard.push(code),
        answered: () => heard.push('answered'),
      };
      return { heard, told };
    };

    it('repeat: of each time; not of what nobody can mend', async () => {
      const { heard, told } = listener();
      const results = [passing, passing, undefined, passing, lasting];
      const next = () => {
        const result = results.shift();
        return result ? Promise.reject(result) : Promise.resolve();
      };
      expect(await thrown(repeat(0, never, next, told))).to.equal(lasting);
      expect(heard).to.deep.equal(['UNAVAILABLE', 'UNAVAILABLE', 'answered', 'UNAVAILABLE']);
    });

    it('untilAnswered: of each failure, and of the answer', async () => {
      const { heard, told } = listener();
      const results = [passing, undefined];
      const ask = () => {
        const result = results.shift();
        return result ? Promise.reject(result) : Promise.resolve('there');
      };
      expect(await untilAnswered(never, ask, told)).to.equal('there');
      expect(heard).to.deep.equal(['UNAVAILABLE', 'answered']);
    });

    it('neither of what fails because it was ended', async () => {
      for (const run of [
        (signal: AbortSignal, once: () => Promise<void>, told: Attempts) =>
          repeat(0, signal, once, told),
        untilAnswered<void>,
      ]) {
        const { heard, told } = listener();
        const stop = new AbortController();
        const once = () => {
          stop.abort();
          return Promise.reject(passing);
        };
        await thrown(run(stop.signal, once, told));
        expect(heard).to.deep.equal([]);
      }
    });
  });

  describe('Lanes', () => {
    /** Tasks that end when they are told to. */
    class Held {
      begun = 0;
      readonly #ends: ((error?: Error) => void)[] = [];

      readonly task = (): Promise<void> => {
        this.begun++;
        return new Promise((resolve, reject) => {
          this.#ends.push((error) => {
            if (error) reject(error);
            else resolve();
          });
        });
      };

      end(error?: Error): void {
        this.#ends.shift()?.(error);
      }
    }

    it('so many at once and no more', async () => {
      const lanes = new Lanes(3);
      const held = new Held();
      let given = 0;
      const giving = (async () => {
        for (; given < 5; given++) await lanes.run(held.task);
      })();
      await turn();
      expect(held.begun).to.equal(3);
      held.end();
      await turn();
      expect(held.begun).to.equal(4);
      for (let i = 0; i < 4; i++) {
        held.end();
        await turn();
      }
      await giving;
      await lanes.settle();
      expect(held.begun).to.equal(5);
    });

    it('a failure goes to whoever comes next, who begins nothing', async () => {
      const lanes = new Lanes(3);
      const held = new Held();
      await lanes.run(held.task);
      held.end(lasting);
      await turn();
      expect(await thrown(lanes.run(held.task))).to.equal(lasting);
      expect(held.begun).to.equal(1);
    });

    it('or to who waits for room, or for the end; of two failures the first', async () => {
      const room = new Lanes(1);
      const held = new Held();
      const waiting = thrown(room.run(held.task));
      held.end(lasting);
      expect(await waiting).to.equal(lasting);

      const lanes = new Lanes(3);
      await lanes.run(held.task);
      await lanes.run(held.task);
      const end = thrown(lanes.settle());
      held.end(lasting);
      held.end(new Error('second'));
      expect(await end).to.equal(lasting);
    });

    it('settles only when all have ended, also after a failure', async () => {
      const lanes = new Lanes(3);
      const held = new Held();
      await lanes.run(held.task);
      await lanes.run(held.task);
      held.end(lasting);
      await turn();
      let settled = false;
      const end = thrown(lanes.settle()).then((error) => {
        settled = true;
        return error;
      });
      await turn();
      expect(settled).to.equal(false);
      held.end();
      expect(await end).to.equal(lasting);
    });
  });
});
