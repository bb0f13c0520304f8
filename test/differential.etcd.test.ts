/**
 * The property that everything else serves: whatever happens on the source, and however often the
 * follower dies, the target ends with the same rows at the same revisions.
 *
 * A failing life is printed as data; it becomes one of the fixed ones below. To look for more:
 * `LIVES=200 npx mocha …`; with `SHRINK=1` a failure is made smaller, which takes its time.
 */
import fc from 'fast-check';
import { life, live, stopBeforeStart, type By, type Life } from './oracle/lockstep.js';
import { haveVersion } from './rig/etcd.js';

const LIVES = Number(process.env['LIVES'] ?? 0);
const LIFE_MS = 60_000;

/** Every follower goes the same way. */
const FIXED: Record<string, (by: By) => Life> = {
  'an empty source': (by) => ({ from: 'range', before: [], during: [], after: [], endsBy: by }),
  'a base whose compact revision is a deletion': (by) => ({
    from: 'range',
    before: [
      { kind: 'put', key: 0, size: 'small', lease: false },
      { kind: 'delete', key: 0 },
      { kind: 'compact', percent: 100 },
    ],
    during: [],
    after: [{ kind: 'foreign', count: 3 }],
    endsBy: by,
  }),
  'foreign writes after a quiet start': (by) => ({
    from: 'snapshot',
    before: [{ kind: 'put', key: 0, size: 'small', lease: false }],
    during: [],
    after: [
      { kind: 'next follower', where: 'here', by },
      { kind: 'foreign', count: 40 },
    ],
    endsBy: by,
  }),
  'a put and 4100 deletions in one revision, the put undone among them': (by) => ({
    from: 'range',
    before: [{ kind: 'lease', keys: 4100 }],
    during: [],
    after: [
      { kind: 'put and delete', writes: [], key: 0, range: 0 },
      { kind: 'compact', percent: 60 },
    ],
    endsBy: by,
  }),
  'a killed process in the middle of fillers and of a lease': (by) => ({
    from: 'range',
    before: [{ kind: 'lease', keys: 400 }],
    during: [{ kind: 'foreign', count: 100 }],
    after: [
      { kind: 'next follower', where: 'child', by },
      { kind: 'foreign', count: 300 },
      { kind: 'next follower', where: 'child', by },
      { kind: 'lease', keys: 400 },
      { kind: 'end follower' },
      { kind: 'revoke' },
      { kind: 'compact', percent: 90 },
    ],
    endsBy: by,
  }),
};

for (const { version, lives } of [
  { version: '3.5.16', lives: 10 },
  { version: '3.4.23', lives: 4 },
]) {
  describe(`a followed target is its source, row for row (etcd ${version})`, function () {
    before(function () {
      if (!haveVersion(version)) this.skip();
    });

    it('in random lives', async function () {
      const numRuns = LIVES || lives;
      this.timeout(numRuns * LIFE_MS);
      await fc.assert(
        fc.asyncProperty(life, (drawn) => live(version, drawn)),
        { numRuns, endOnFailure: process.env['SHRINK'] === undefined },
      );
    });

    for (const [name, fixed] of Object.entries(FIXED))
      for (const by of ['transactions', 'proposals'] as const)
        it(`${name}, by ${by}`, () => live(version, fixed(by))).timeout(LIFE_MS);

    it('ends at once when it is told to stop before it has begun', async () => {
      await stopBeforeStart(version);
    }).timeout(LIFE_MS);
  });
}
