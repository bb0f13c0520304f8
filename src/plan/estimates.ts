/**
 * How long things will take, and whether the target can keep up: estimates, out of what was measured
 * here and of what docs/performance.md has measured on a machine of two cores.
 */
import { FIRST_REVISIONS } from '../cutover/fence.js';
import { count } from '../text.js';
import type { AskedMembers } from './askmembers.js';
import { check, notAsked, ok, warn, type Check } from './check.js';
import type { Contents } from './contents.js';
import type { Rates } from './rates.js';
import { historySeconds, type Window } from './window.js';

export interface Estimates {
  /** Reading, writing the journal, sealing. */
  seedSeconds: number;
  /** Revisions a second that follow would bring to the target by transactions; null without a target to ask. */
  followPerSecond: number | null;
  /** The same by proposals, through the target's peer port. */
  proposalsPerSecond: number | null;
  /** Our own share of the freeze: drain, compare, takeover, fence; not the restart of apiservers. */
  freezeSeconds: number | null;
  /** For --margin: by how much the target's head should be kept above the source's. */
  fenceMargin: number;
}

/**
 * A seed against the mere reading of its pages: it writes them down, sorts them and seals them.
 * Measured with 20,000 and 100,000 pods; the estimate was off by up to a quarter, either way.
 */
const SEED_BY_READING = 1.5;
const SEED_START_SECONDS = 1;

interface PaceAt {
  share: number;
  seconds: number;
  perRoundTrip: number;
}
type Pace = readonly [few: PaceAt, some: PaceAt, all: PaceAt];

/**
 * What a revision takes on the target by the share of those that are ours, near it and for each second
 * of a round trip (docs/performance.md, "Following" and "Far away"): data waits for its turn, fillers
 * go 64 at a time.
 */
const PACE: Pace = [
  { share: 0.02, seconds: 1 / 3326, perRoundTrip: 0.047 },
  { share: 0.2, seconds: 1 / 977, perRoundTrip: 0.18 },
  { share: 1, seconds: 1 / 602, perRoundTrip: 0.29 },
];
/** The same by proposals: a round trip is shared by as many as are on their way. */
const PACE_OF_PROPOSALS: Pace = [
  { share: 0.02, seconds: 1 / 32_329, perRoundTrip: 0.0005 },
  { share: 0.2, seconds: 1 / 10_171, perRoundTrip: 0.001 },
  { share: 1, seconds: 1 / 5214, perRoundTrip: 0.012 },
];
const NEAR_SECONDS = 0.0007;

/**
 * The fence goes on raising the target while the source counts on; the margin is for the moments in
 * which it cannot. Only its beginning is written inside the freeze.
 */
const MARGIN_SECONDS = 10;
const LEAST_MARGIN = 1000;
/** Quiet for 0.3 s, and what is left to compare. */
const DRAIN_SECONDS = 0.5;

/** As kube-apiserver compacts, history is kept for five to ten minutes. */
const KEPT_SECONDS = 600;
const FILLER_BYTES = 100;

export function estimate(
  contents: Contents,
  rates: Rates,
  window: Window,
  target: AskedMembers | undefined,
): Estimates {
  const fenceMargin = marginFor(rates.revisions / rates.seconds);
  const seedSeconds =
    SEED_START_SECONDS + contents.seconds * SEED_BY_READING + historySeconds(window);
  const readSeconds = slowestRead(target);
  if (readSeconds === null)
    return {
      ...{ seedSeconds, followPerSecond: null, proposalsPerSecond: null },
      ...{ freezeSeconds: null, fenceMargin },
    };
  const share = rates.revisions > 0 ? rates.moved.revisions / rates.revisions : 0;
  return {
    seedSeconds,
    followPerSecond: 1 / secondsARevision(PACE, share, readSeconds),
    proposalsPerSecond: 1 / secondsARevision(PACE_OF_PROPOSALS, share, readSeconds),
    freezeSeconds: DRAIN_SECONDS + fenceSeconds(readSeconds, false),
    fenceMargin,
  };
}

/** For --margin, at so many revisions of the source a second. */
export function marginFor(perSecond: number): number {
  return Math.max(LEAST_MARGIN, Math.ceil(perSecond * MARGIN_SECONDS));
}

/**
 * Until the fence stands.
 * @param readSeconds of a linearizable read of the target
 * @param byProposals through its peer port
 */
export function fenceSeconds(readSeconds: number, byProposals: boolean): number {
  return FIRST_REVISIONS * secondsARevision(byProposals ? PACE_OF_PROPOSALS : PACE, 0, readSeconds);
}

/**
 * Revisions a second that go by transactions to a target near by, of a source that writes so.
 * @param share of the revisions that have keys of ours, 0 to 1
 */
export function nearTransactionsPerSecond(share: number): number {
  return 1 / secondsARevision(PACE, share, NEAR_SECONDS);
}

/**
 * What the target has to have room for: the keys, and what is written between two compactions, a row
 * of our own for each revision among it.
 */
export function targetBytes({ bytes }: Contents, { moved, revisions, seconds }: Rates): number {
  const perSecond = (moved.bytes + revisions * FILLER_BYTES) / seconds;
  return Math.round(bytes + perSecond * KEPT_SECONDS);
}

/** Between the shares that were measured, on a straight line. */
function secondsARevision(pace: Pace, share: number, readSeconds: number): number {
  const far = Math.max(0, readSeconds - NEAR_SECONDS);
  const at = ({ seconds, perRoundTrip }: PaceAt) => seconds + far * perRoundTrip;
  const [few, some, all] = pace;
  if (share <= few.share) return at(few);
  const [low, high] = share <= some.share ? [few, some] : [some, all];
  const part = (share - low.share) / (high.share - low.share);
  return at(low) + (at(high) - at(low)) * Math.min(1, part);
}

function slowestRead(target: AskedMembers | undefined): number | null {
  const reads = (target?.members ?? []).map((m) => m.readSeconds).filter((s) => s !== null);
  return reads.length > 0 ? Math.max(...reads) : null;
}

export function pace(rates: Rates, { followPerSecond, proposalsPerSecond }: Estimates): Check {
  const perSecond = rates.revisions / rates.seconds;
  if (rates.revisions === 0)
    return check(
      'pace',
      notAsked(
        'Nothing was written while the source was watched.',
        'Look again when it is busy, with a longer --sample.',
      ),
    );
  const need = `The source makes ${rate(perSecond)} revisions a second, and each is a write on the target`;
  if (followPerSecond === null || proposalsPerSecond === null)
    return check('pace', notAsked(`${need}; there is no target to be measured.`));
  const [one, many] = [followPerSecond, proposalsPerSecond].map((n) => count(Math.round(n)));
  const can = `about ${one} a second can be brought there by transactions, ${many} by proposals through the peer port (docs/performance.md on two cores, with the round trip measured here)`;
  if (perSecond < followPerSecond / 2)
    return check('pace', ok(`${need}; ${can}. Transactions are enough.`));
  if (perSecond < proposalsPerSecond / 2)
    return check(
      'pace',
      warn(
        `${need}; ${can}: by transactions follow would ${lateness(perSecond, followPerSecond)}.`,
        'Let follow write by proposals: --dest-peers (docs/fine-print.md says what the peer port is), and see that its check here is ok.',
      ),
    );
  return check(
    'pace',
    warn(
      `${need}, but only ${can}: follow would ${lateness(perSecond, proposalsPerSecond)}.`,
      'Give the target a faster disk and a shorter way; move events and leases off the source first, which are most of its revisions.',
    ),
  );
}

function lateness(need: number, can: number): string {
  return need > can ? 'fall behind for ever' : 'take long to catch up after a pause';
}

export function rate(perSecond: number): string {
  return perSecond < 10 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}
