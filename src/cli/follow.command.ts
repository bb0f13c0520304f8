/** etcd-lockstep follow */
import type { Command } from 'commander';
import { BOTH_ACCESS, PEERS, peersOf } from '../config/access.js';
import { flagOf } from '../config/options.js';
import type { Given } from '../config/parse.js';
import { badArgument, hasCode } from '../errors.js';
import { withKube } from '../kube/config.js';
import { followView, type FollowCommands, type TargetRead } from '../listen/followview.js';
import type { FollowStatus } from '../lockstep/follow.js';
import type { FollowRequest } from '../migration.js';
import { Rate } from '../rate.js';
import type { Phase } from '../target/cutoverstate.js';
import { bytes, count, duration } from '../text.js';
import { HOOKS, LISTENER, register, type Context } from './command.js';
import { reportsOf } from '../auditing/folder.js';
import { commandLine, variablesSet } from './commandline.js';
import { collectLessOften } from './garbage.js';
import { needsGo } from './go.js';
import { listening, type Showing } from './listening.js';
import { withMigration } from './opened.js';
import { refuseForward, reversing, type ReverseFlags } from './reversing.js';
import { lagFirst, showLive, type LiveTexts } from './showlive.js';
import { Steered } from './steered.js';
import { EXIT_INTERRUPTED } from './stopping.js';
import { commandAgain, flagAgain, sideFlags, writerFlags } from './typed.js';

export function followCommand(program: Command): void {
  register(program, {
    name: 'follow',
    description:
      'Follow the source live, in lockstep: the target has the same revision all the time.',
    required: ['endpoints', 'destEndpoints'],
    optional: [
      ...([
        'journal',
        'untilRevision',
        'untilSynced',
        'repair',
        'again',
        'standby',
        'standbyAfter',
        'maxRate',
        'auditEvery',
        'auditRate',
      ] as const),
      ...PEERS,
      ...(['reverse', 'margin', 'prefix', 'kubeconfig', 'apiservers', 'yes'] as const),
      ...LISTENER,
      ...HOOKS,
      ...BOTH_ACCESS,
    ],
    help: {
      journal: 'directory of the journal that seed has made; needed, but with --reverse',
      margin: "with --reverse: revisions that the source's head is kept above the target's",
      prefix: 'with --reverse: what was cut over, to be sure (default: that)',
      kubeconfig: 'with --reverse: kubeconfig, to see that no apiserver serves from the source',
      apiservers: "with --reverse: every apiserver (default: the kubeconfig's server alone)",
      yes: 'with --reverse: go without being asked',
    },
    example:
      'etcd-lockstep follow --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --journal pods.journal',
    run: async (options, context) => {
      const { journal } = options;
      if (options.reverse) return followBack(options, context);
      collectLessOften();
      if (journal === undefined)
        throw badArgument(
          `${flagOf('journal')} missing`,
          `Add ${flagOf('journal')} …: the directory that seed has made. Only ${flagOf('reverse')} has none.`,
        );
      const { untilRevision, untilSynced } = options;
      if (untilRevision !== undefined && untilSynced)
        throw badArgument(
          '--until-revision and --until-synced exclude each other',
          'Give one of them, or none to follow until a signal.',
        );
      if (options.standby && (untilSynced || untilRevision !== undefined))
        throw badArgument(
          `--standby and ${untilSynced ? '--until-synced' : '--until-revision'} exclude each other`,
          'One that stands by follows until a signal.',
        );
      const until: NonNullable<FollowRequest['until']> =
        untilRevision !== undefined
          ? { kind: 'revision', revision: untilRevision }
          : { kind: untilSynced ? 'synced' : 'signal' };
      const { signal, progress, log } = context;
      let reading: TargetRead | null = null;
      let last: FollowLine | undefined;
      const onBase: FollowRequest['onBase'] = (read) => {
        reading = read;
        progress.show(() => `reading the target: ${count(read.keys)} keys, ${bytes(read.bytes)}`);
      };
      const onAlarm = (alarm: string) => {
        log.error(alarm);
      };
      const { repair = false, again = false, maxRate } = options;
      const steered = new Steered({ ...options, journal }, context, () => {
        return last && { line: statusLine(last), status: { ...last } };
      });
      steered.heedHangups(options, context.reread);
      const peers = peersOf(options);
      const request = {
        journal,
        repair,
        again,
        until,
        ...{ peers, maxRate, steering: steered.steering, onOwned: steered.onOwned },
        onBase,
        ...audited(options),
        standby: options.standby ? { afterSeconds: options.standbyAfter } : undefined,
        onAlarm,
        signal,
      };
      const commands = commandsFor({ ...options, journal });
      const showing: Showing = {
        view: (facts) => followView(facts, last ?? null, commands, reading),
        status: () => last,
        reports: reportsOf(journal),
        mend: (error) => (hasCode(error, ...MENDED_BY_REPAIR) ? commands.repair : null),
      };
      return withMigration(options, context, (migration) =>
        listening(options, context, showing, async () => {
          const follow = (everyMs: number) => migration.follow({ ...request, everyMs });
          const onStatus = (line: FollowLine) => {
            last = line;
          };
          await showLive(context, follow, { ...texts(), onStatus });
          return until.kind !== 'signal' && signal.aborted ? EXIT_INTERRUPTED : 0;
        }),
      );
    },
  });
}

/** Without a kubeconfig nobody's apiservers are asked: etcds may be moved where there is no Kubernetes. */
async function followBack(
  options: ReverseFlags & Parameters<typeof refuseForward>[0],
  context: Context,
): Promise<number> {
  refuseForward(options);
  needsGo(options.yes);
  const { kubeconfig, apiservers } = options;
  const isKube = kubeconfig !== undefined || apiservers !== undefined;
  await withMigration(options, context, (migration) =>
    isKube
      ? withKube(kubeconfig, apiservers, (apis) => reversing(options, context, migration, apis))
      : reversing(options, context, migration, []),
  );
  return 0;
}

function audited({
  auditEvery: everySeconds,
  auditRate: bytesPerSecond,
  fromFile,
}: Given<never, 'auditEvery' | 'auditRate'>): Pick<FollowRequest, 'audit'> {
  const command = commandLine('follow', process.argv.slice(2), fromFile);
  const calledAs = { command, environment: variablesSet(process.env) };
  return { audit: { everySeconds: everySeconds ?? null, bytesPerSecond, calledAs } };
}

type FollowFlags = Given<
  'endpoints' | 'destEndpoints' | 'journal',
  | (typeof BOTH_ACCESS)[number]
  | (typeof PEERS)[number]
  | ('listen' | 'maxRate' | 'auditEvery' | 'auditRate' | 'standby' | 'standbyAfter')
>;

/** What --repair goes on behind. */
const MENDED_BY_REPAIR = [
  ...(['HISTORY_GAP', 'JOURNAL_NOT_SEEDED', 'JOURNAL_DAMAGED', 'TARGET_BEHIND_JOURNAL'] as const),
];

function commandsFor(options: FollowFlags): FollowCommands {
  const source = sideFlags('source', options);
  const { journal, maxRate, auditEvery, auditRate } = options;
  const again = (
    name: 'journal' | 'maxRate' | 'auditEvery' | 'auditRate' | 'standbyAfter',
    value: string | number,
  ) => flagAgain(options, name, String(value));
  const bound = maxRate === undefined ? [] : [again('maxRate', maxRate)];
  const audits =
    auditEvery === undefined
      ? []
      : [again('auditEvery', auditEvery), again('auditRate', auditRate)];
  const standby = options.standby
    ? [flagOf('standby'), again('standbyAfter', options.standbyAfter)]
    : [];
  const ways = [
    source,
    writerFlags(options),
    again('journal', journal),
    ...bound,
    ...audits,
    ...standby,
  ];
  return {
    audit: commandAgain('audit', options, source, sideFlags('target', options), '--history'),
    repair: commandAgain('follow', options, ...ways, '--repair'),
  };
}

interface FollowLine extends FollowStatus {
  revisionsPerSecond: number;
}

function texts(): Omit<LiveTexts<FollowStatus, FollowLine>, 'onStatus'> {
  const rate = new Rate();
  const more = ({ revisions, fillers }: FollowStatus) => ({
    revisionsPerSecond: Math.round(rate.per(revisions + fillers)),
  });
  return { more, line: statusLine, summary };
}

function statusLine(s: FollowLine): string {
  const kept = `journal ${bytes(s.journalBytes)}`;
  if (s.cutover) return s.state;
  if (s.position === null)
    return `${s.state}; captured up to revision ${s.journalPosition}; ${kept}`;
  const parts = [
    `revision ${s.position}`,
    `${count(s.revisionsPerSecond)} rev/s`,
    kept,
    `fillers ${count(s.fillers)}`,
    ...wayAsked(s.way),
    ...heldText(s.throttle),
    ...(s.auditing ? [`audit ${Math.floor((s.auditing.share ?? 0) * 100)} %`] : []),
  ];
  return [...lagFirst(s), ...parts].join('; ');
}

/** Which way it goes, where somebody has asked for proposals. */
function wayAsked({ by, why }: FollowStatus['way']): string[] {
  if (by === null || (by === 'transactions' && !why)) return [];
  return [`by ${by}${why ? ` (${why.code})` : ''}`];
}

/** Told while it is why the target lags. */
function heldText({ holds, nowRate, because }: FollowStatus['throttle']): string[] {
  return holds && nowRate !== null ? [`held to ${count(nowRate)} rev/s (${because ?? ''})`] : [];
}

function summary(s: FollowStatus, seconds: number): string {
  if (s.cutover) return takenOver(s.cutover);
  if (s.position === null)
    return `Stopped before the target was there; captured up to revision ${s.journalPosition}.`;
  return [
    `Stopped at revision ${s.position}, ${count(s.lagRevisions ?? 0)} behind the source's ${s.sourceHead}.`,
    `Wrote ${count(s.revisions)} revisions with records (${bytes(s.bytes)}) and ${count(s.fillers)} fillers in ${duration(seconds)}.`,
    ...(s.way.why ? [`Not by proposals at the end: ${s.way.why.message}.`] : []),
    'The same command goes on from there.',
  ].join('\n');
}

const BACK: readonly Phase[] = ['rolling back', 'switched back', 'rolled back'];

function takenOver({ exact, phase }: NonNullable<FollowStatus['cutover']>): string {
  const next = BACK.includes(phase)
    ? 'The source serves, or will again. For a new attempt `follow --again` takes this target into lockstep again, or says why it needs a new seed.'
    : 'Nothing is left to do for it.';
  return [
    `TAKEN OVER at revision ${exact} for a cutover (${phase}): the target was the source's exact copy up to there.`,
    `This follower has done its work and need not be started again. ${next}`,
  ].join('\n');
}
