/**
 * What the freeze of a night will be on this cluster: out of what a rehearsal has measured, and, where only
 * a night could measure it, of what docs/performance.md has.
 *
 *     freeze ─► drain ─► compare ─► takeover ─► fence ─► switch ─► unfreeze
 *     known     quiet    measured   estimated   estimated  hooks    known
 *               + watch
 */
import { fenceSeconds } from '../plan/estimates.js';
import type { LiveSample } from './livesample.js';
import type { HookRun, RehearsedApiserver } from './rehearsedhooks.js';

/** What the freeze of a night will be, in seconds. */
export interface Outlook {
  /** Of our own: by step. */
  own: { drain: number; compare: number; takeover: number; fence: number; seconds: number };
  /** Until every apiserver knows of the freeze, and at its end that it is over: not measured here. */
  knownSeconds: number;
  /**
   * Restarts one after the other, as hooks have told; null: not known of all of them. `told` and `of`: of how
   * many it is known.
   */
  rolling: { seconds: number | null; told: number; of: number };
  /** The flip, as its hook has told; null: not known. */
  flipSeconds: number | null;
  /** The whole, each way; null where its share of the apiservers is not known. */
  freeze: { way: 'rolling' | 'pre-warmed'; rolling: number | null; prewarmed: number | null };
}

/** docs/performance.md: the freeze's way to every apiserver, and back, on two cores. */
const KNOWN_SECONDS = 1.2;
/** One write, behind a look at the freeze and at the target; each takes about a read. */
const TAKEOVER_READS = 5;

interface Measured {
  sample: LiveSample;
  quietMs: number;
  /** Of a linearizable read of the target, the worst of some. */
  readSeconds: number;
  byProposals: boolean;
  apiservers: readonly RehearsedApiserver[];
  flip: HookRun | null;
  prewarmed: boolean;
}

export function outlookOf(m: Measured): Outlook {
  const { sample, quietMs, readSeconds } = m;
  const drain = quietMs / 1000 + sample.watch.worst;
  const compare = sample.equal.worst;
  const takeover = TAKEOVER_READS * readSeconds;
  const fence = fenceSeconds(readSeconds, m.byProposals);
  const seconds = drain + compare + takeover + fence;
  const rolling = restarts(m.prewarmed ? [] : m.apiservers);
  const flipSeconds = m.flip && takes(m.flip);
  const whole = (share: number | null) => (share === null ? null : seconds + KNOWN_SECONDS + share);
  return {
    own: { drain, compare, takeover, fence, seconds },
    knownSeconds: KNOWN_SECONDS,
    ...{ rolling, flipSeconds },
    freeze: {
      way: m.prewarmed ? 'pre-warmed' : 'rolling',
      rolling: whole(rolling.seconds),
      prewarmed: whole(flipSeconds),
    },
  };
}

function restarts(apiservers: readonly RehearsedApiserver[]): Outlook['rolling'] {
  // What a rehearsed hook took is no measure: it has restarted nothing.
  const known = apiservers.flatMap(({ hook }) =>
    hook?.failed === null ? (hook.restartSeconds ?? []) : [],
  );
  const all = apiservers.length > 0 && known.length === apiservers.length;
  const sum = known.reduce((total, one) => total + one, 0);
  return { seconds: all ? sum : null, told: known.length, of: apiservers.length };
}

/** What a flip that has done well takes in a night: as it says, or as it took. */
function takes({ failed, seconds, restartSeconds }: HookRun): number | null {
  return failed === null ? (restartSeconds ?? seconds) : null;
}
