/** etcd-lockstep follow */
import type { Command } from 'commander';
import { BOTH_ACCESS } from '../config/access.js';
import type { Phase } from '../cutoverstate.js';
import { badArgument } from '../errors.js';
import { Journal } from '../journal/journal.js';
import { Follower, type FollowOptions, type FollowStatus } from '../lockstep/follow.js';
import { repairJournal, type RepairOptions } from '../lockstep/repair.js';
import { bytes, count, duration } from '../status/format.js';
import { Rate } from '../status/progress.js';
import { register, type Context } from './command.js';
import { lagFirst, showLive } from './live.js';
import { withSides } from './sides.js';
import { EXIT_INTERRUPTED } from './stopping.js';

export function followCommand(program: Command): void {
  register(program, {
    name: 'follow',
    description:
      'Follow the source live, in lockstep: the target has the same revision all the time.',
    required: ['endpoints', 'destEndpoints', 'journal'],
    optional: ['untilRevision', 'untilSynced', 'repair', ...BOTH_ACCESS],
    help: { journal: 'directory of the journal that seed has made' },
    example:
      'etcd-lockstep follow --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --journal pods.journal',
    run: async (options, context) => {
      const { untilRevision, untilSynced } = options;
      if (untilRevision !== undefined && untilSynced)
        throw badArgument(
          '--until-revision and --until-synced exclude each other',
          'Give one of them, or none to follow until a signal.',
        );
      const until: FollowOptions['until'] =
        untilRevision !== undefined
          ? { kind: 'revision', revision: untilRevision }
          : { kind: untilSynced ? 'synced' : 'signal' };
      const { signal, note: onNote } = context;
      const repair = options.repair ?? false;
      return withSides(options, async (sides) => {
        for (const asked of [sides.source, sides.sourceWatch]) asked.closeAt(signal);
        if (repair) await repairWithProgress({ ...sides, journal: options.journal }, context);
        const journal = await Journal.open(options.journal);
        try {
          const follower = new Follower({ ...sides, journal, repair, until, onNote, signal });
          await show(follower, journal, context);
        } finally {
          await journal.close();
        }
        return until.kind !== 'signal' && signal.aborted ? EXIT_INTERRUPTED : 0;
      });
    },
  });
}

async function repairWithProgress(
  parts: Pick<RepairOptions, 'source' | 'target' | 'journal'>,
  { note, progress, signal }: Context,
): Promise<void> {
  await repairJournal({
    ...parts,
    onBase: ({ keys, bytes: read }) => {
      progress.show(() => `reading the target: ${count(keys)} keys, ${bytes(read)}`);
    },
    onNote: note,
    signal,
  });
}

interface Line extends FollowStatus {
  revisionsPerSecond: number;
  journalBytes: number;
}

/** Runs the follower with a status line, or objects. */
async function show(follower: Follower, journal: Journal, context: Context): Promise<void> {
  const rate = new Rate();
  const status = (): Line => ({
    ...follower.status,
    revisionsPerSecond: Math.round(rate.per(follower.status.revisions + follower.status.fillers)),
    journalBytes: journal.bytes(),
  });
  await showLive(context, { status, line: statusLine, summary }, () => follower.run());
}

function statusLine(s: Line): string {
  const kept = `journal ${bytes(s.journalBytes)}`;
  if (s.cutover) return s.state;
  if (s.position === null)
    return `${s.state}; captured up to revision ${s.journalPosition}; ${kept}`;
  const parts = [
    `revision ${s.position}`,
    `${count(s.revisionsPerSecond)} rev/s`,
    kept,
    `fillers ${count(s.fillers)}`,
  ];
  return [...lagFirst(s), ...parts].join('; ');
}

function summary(s: FollowStatus, seconds: number): string {
  if (s.cutover) return takenOver(s.cutover);
  if (s.position === null)
    return `Stopped before the target was there; captured up to revision ${s.journalPosition}.`;
  return [
    `Stopped at revision ${s.position}, ${count(s.lagRevisions ?? 0)} behind the source's ${s.sourceHead}.`,
    `Wrote ${count(s.revisions)} revisions with records (${bytes(s.bytes)}) and ${count(s.fillers)} fillers in ${duration(seconds)}.`,
    'The same command goes on from there.',
  ].join('\n');
}

const BACK: readonly Phase[] = ['rolling back', 'switched back', 'rolled back'];

function takenOver({ exact, phase }: NonNullable<FollowStatus['cutover']>): string {
  const next = BACK.includes(phase)
    ? 'The source serves, or will again: a new attempt begins with a new seed and a new target.'
    : 'Nothing is left to do for it.';
  return [
    `TAKEN OVER at revision ${exact} for a cutover (${phase}): the target was the source's exact copy up to there.`,
    `This follower has done its work and need not be started again. ${next}`,
  ].join('\n');
}
