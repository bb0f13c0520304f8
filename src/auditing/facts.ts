/** What the report of an audit is made of, from how far it has come. */
import { describeKey } from '../audit/report.js';
import type { AuditOutcome } from './outcome.js';
import type { PrefixSet } from '../mvcc/prefix.js';
import type { Tally } from '../mvcc/tally.js';
import { ownVersion } from '../ownversion.js';
import type { BesideFacts } from '../report/besidefacts.js';
import { describeMaking, type MadeWith } from '../report/madeby.js';
import { cursorTally } from '../target/cursor.js';
import type { Progress } from './progress.js';

interface Around {
  prefixes: PrefixSet;
  bytesPerSecond: number;
  calledAs: Pick<MadeWith, 'command' | 'environment'>;
  clusters: Pick<BesideFacts, 'source' | 'target'>;
}

export function factsOf(
  { at, result, seconds }: AuditOutcome,
  progress: Progress,
  { prefixes, bytesPerSecond, calledAs, clusters }: Around,
): BesideFacts {
  const { differences, over, bytes, since } = progress;
  const [started, ended] = [new Date(since), new Date(at)];
  const agrees = cursorAgrees(progress);
  return {
    format: 'etcd-lockstep/follow-audit-report/1',
    made: describeMaking({ version: ownVersion(), ...calledAs, started, ended }),
    ...clusters,
    audit: {
      ...{ equal: result === 'equal', prefixes: [...prefixes.list], bytesPerSecond },
      ranges: progress.ranges.map(({ from, revision }) => {
        const { key, keyBase64 = null } = describeKey(Buffer.from(from, 'base64'));
        return { from: key, fromBase64: keyBase64, revision };
      }),
      ...{ source: sumOf(progress.source), target: sumOf(progress.target) },
      cursor: progress.cursor && agrees !== null ? { ...progress.cursor, agrees } : null,
      ...{ differences, over, bytes, seconds },
    },
    differences: {
      found: differences,
      listed: progress.stillDifferent.map(({ found }) => found),
    },
    over: progress.differentBefore,
  };
}

function sumOf({ keys, hex }: Tally): { keys: number; checksum: string } {
  return { keys, checksum: hex };
}

/** Whether the cursor's checksum is that of the target's rows; null: that cannot be told. */
export function cursorAgrees({ cursor, target, ranges, over }: Progress): boolean | null {
  // A row that was wrong for a while is in the sum as it was then.
  if (!cursor || ranges.length !== 1 || over > 0) return null;
  return cursorTally(cursor).equals(target);
}
