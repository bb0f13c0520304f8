/**
 * Lives in which the follower is away for longer than the source keeps its history, again and again:
 * with --repair the target ends with the same rows as the source, whatever happened meanwhile.
 */
import fc from 'fast-check';
import { followUntilSynced } from '../oracle/following.js';
import { arbitraryOp, type Op } from '../oracle/history.js';
import { compareStores, withPair } from '../oracle/lockstep.js';
import { haveVersion, type EtcdVersion } from '../rig/etcd.js';

const LIVES = Number(process.env['LIVES'] ?? 0);
const LIFE_MS = 60_000;

/** What happens while nobody follows; the source is compacted in the middle of it. */
interface Absence {
  lost: Op[];
  percent: number;
  kept: Op[];
}

interface Life {
  before: Op[];
  absences: Absence[];
}

const ops = (maxLength: number) =>
  fc.array(arbitraryOp({ compact: false }), { minLength: 1, maxLength });

const life: fc.Arbitrary<Life> = fc.record({
  before: fc.array(arbitraryOp({ compact: false }), { maxLength: 8 }),
  absences: fc.array(
    fc.record({ lost: ops(12), percent: fc.integer({ min: 50, max: 100 }), kept: ops(6) }),
    { minLength: 1, maxLength: 3 },
  ),
});

async function live(version: EtcdVersion, { before, absences }: Life): Promise<void> {
  const start = { from: 'range' as const, before, during: [] };
  await withPair(version, start, async ({ source, target, writer, place }) => {
    for (const { lost, percent, kept } of absences) {
      await writer.all([...lost, { kind: 'compact', percent }, ...kept]);
      await followUntilSynced(place, { repair: true });
      await compareStores(source, target);
    }
  });
}

for (const { version, lives } of [
  { version: '3.5.16', lives: 8 },
  { version: '3.4.23', lives: 3 },
])
  describe(`a repaired target is its source, row for row (etcd ${version})`, function () {
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

    // More deletions than one request could hold, keys that came and went, one that came back.
    it('after 3,000 keys were deleted and a key was created anew', () =>
      live(version, {
        before: [
          { kind: 'lease', keys: 3000 },
          { kind: 'put', key: 0, size: 'page', lease: false },
        ],
        absences: [
          {
            lost: [
              { kind: 'revoke' },
              { kind: 'delete', key: 0 },
              { kind: 'put', key: 0, size: 'small', lease: false },
              { kind: 'put', key: 0, size: 'page', lease: false },
              { kind: 'put', key: 1, size: 'small', lease: false },
              { kind: 'delete', key: 1 },
              { kind: 'foreign', count: 40 },
            ],
            percent: 100,
            kept: [{ kind: 'foreign', count: 5 }],
          },
        ],
      })).timeout(LIFE_MS);
  });
