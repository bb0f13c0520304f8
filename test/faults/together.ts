/**
 * Tests that mostly wait, for a timeout or an election, and so may wait at the same time. Each is a
 * test of its own to mocha, with its own name and failure.
 */
const AT_ONCE = 3;

/** @param atOnce how many run at the same time; the machine has few cores, and others use it too */
export function together(tests: Record<string, () => Promise<void>>, atOnce = AT_ONCE): void {
  const running = new Map<string, Promise<void>>();
  let free = atOnce;
  const waiting: (() => void)[] = [];

  async function inTurn(test: () => Promise<void>): Promise<void> {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      await test();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  }

  before(() => {
    for (const [name, test] of Object.entries(tests)) {
      const result = inTurn(test);
      // Its failure is told when it is its turn.
      result.catch(() => undefined);
      running.set(name, result);
    }
  });
  for (const name of Object.keys(tests)) it(name, () => running.get(name));
}

/** Figures for whoever asks for them: `FIGURES=1`. */
export function report(figures: string): void {
  if (process.env['FIGURES'] !== undefined) console.log(`      ${figures}`);
}
