/**
 * Random choices that can be made again: a failure names its seed, `CRASH_SEED` gives it back. What
 * the scheduler and the disk do in between nobody can repeat; the choices narrow it down.
 */
const START = Number(process.env['CRASH_SEED'] ?? Date.now() % 1_000_000_007);

/** `SOAK=1`: the same tests, so much longer. */
export const SOAK = process.env['SOAK'] === undefined ? 1 : 12;

export class Random {
  #state: number;

  private constructor(private readonly seed: number) {
    this.#state = seed;
  }

  /**
   * Lives several lives at once, each with choices of its own; a failure of one says how to repeat
   * it, and is thrown when all have ended.
   */
  static async together(lives: ((random: Random) => Promise<void>)[]): Promise<void> {
    const ends = await Promise.allSettled(
      lives.map((live, i) => {
        const random = new Random(START + i * 7919);
        return live(random).catch((cause: unknown) => {
          throw random.blame(cause);
        });
      }),
    );
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
  }

  static async alone(live: (random: Random) => Promise<void>): Promise<void> {
    await Random.together([live]);
  }

  /** A whole number from `from` up to and including `to`. */
  between(from: number, to: number): number {
    return from + Math.floor(this.#next() * (to - from + 1));
  }

  pick<T>(list: readonly T[]): T {
    return list[this.between(0, list.length - 1)]!;
  }

  shuffled<T>(list: readonly T[]): T[] {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.between(0, i);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }

  private blame(cause: unknown): Error {
    const why = cause instanceof Error ? cause.message : String(cause);
    return new Error(`CRASH_SEED=${START} (this life ${this.seed}): ${why}`, { cause });
  }

  /** mulberry32: from 0 to below 1. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }
}
