/** `follow --reverse`, and what `cutover` goes on with when it is done. */
import { PEERS, type BOTH_ACCESS } from '../config/access.js';
import { flagOf, type OptionName } from '../config/options.js';
import type { Given } from '../config/parse.js';
import { badArgument } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { reverseView } from '../listen/reverseview.js';
import type { Migration, ReverseRequest } from '../migration.js';
import { PrefixSet } from '../mvcc/prefix.js';
import { Rate } from '../rate.js';
import type { ReverseStatus } from '../reverse/reversestatus.js';
import { bytes, count, duration } from '../text.js';
import type { Context } from './command.js';
import { askGo } from './go.js';
import { listening, type Showing } from './listening.js';
import { lagFirst, showLive, type LiveTexts } from './showlive.js';
import { commandAgain, flagAgain, prefixFlags, sideFlags } from './typed.js';

export type ReverseFlags = Given<
  'endpoints' | 'destEndpoints',
  | (typeof BOTH_ACCESS)[number]
  | ('listen' | 'readyLag' | 'margin' | 'prefix' | 'yes' | 'kubeconfig' | 'apiservers')
>;

/** What goes with a journal, or with writing to the target: a config file may have them for the follower. */
const FORWARD = [
  ...([
    'journal',
    'untilRevision',
    'untilSynced',
    'repair',
    'again',
    'standby',
    'maxRate',
  ] as const),
  ...(['auditEvery', ...PEERS] as const),
] satisfies OptionName[];

/** @throws LockstepError BAD_ARGUMENT for flags that have no meaning with --reverse */
export function refuseForward(
  options: Partial<Record<(typeof FORWARD)[number], unknown>> & ReverseFlags,
): void {
  const { fromFile } = options;
  const given = FORWARD.filter((name) => options[name] !== undefined && options[name] !== false);
  const typed = given.find((name) => !fromFile?.names.has(name));
  if (typed)
    throw badArgument(
      `${flagOf('reverse')} and ${flagOf(typed)} exclude each other`,
      'The way back has no journal and no second follower, and it writes to the source: its position lies there. Leave it out.',
    );
}

/**
 * Keeps the way back open until it is stopped, or a rollback or a retire begins.
 * @param go asked before anything is written; by itself unless given
 */
export async function reversing(
  options: ReverseFlags,
  context: Context,
  migration: Migration,
  apiservers: readonly ApiServer[],
  go: ReverseRequest['go'] = (about) => askReverse(about, options, context),
): Promise<void> {
  const { margin, prefix } = options;
  let last: ReverseLine | undefined;
  const commands = {
    audit: (one: string) =>
      commandAgain('audit', options, '--values', ...ways(options), prefixFlags([one])),
    rollback: commandAgain('rollback', options, ...ways(options), ...kubeFlags(options)),
  };
  const showing: Showing = {
    view: (facts) => reverseView(facts, last ?? null, commands),
    status: () => last,
  };
  const request = {
    ...{ apiservers, margin, go, signal: context.signal },
    prefixes: prefix && PrefixSet.of(prefix.list),
    onAlarm: (alarm: string) => {
      context.log.error(`ALARM: ${alarm}`);
    },
  };
  await listening(options, context, showing, async () => {
    const run = (everyMs: number) => migration.reverse({ ...request, everyMs });
    const onStatus = (line: ReverseLine) => {
      last = line;
    };
    await showLive(context, run, { ...texts(), onStatus });
  });
}

function ways(options: ReverseFlags): string[] {
  return [sideFlags('source', options), sideFlags('target', options)];
}

function kubeFlags(options: ReverseFlags): string[] {
  const { kubeconfig, apiservers } = options;
  return [
    kubeconfig === undefined ? '' : flagAgain(options, 'kubeconfig', kubeconfig),
    apiservers === undefined ? '' : flagAgain(options, 'apiservers', apiservers.join(',')),
  ];
}

async function askReverse(
  { prefixes, heads, warnings }: Parameters<ReverseRequest['go']>[0],
  { margin, yes }: ReverseFlags,
  context: Context,
): Promise<void> {
  const missing = heads.target + margin - heads.source;
  const raised =
    missing > 0
      ? `is raised by about ${count(missing)} revisions, ${count(margin)} above the target's`
      : "is above the target's, and is kept there";
  await askGo(
    `This writes to the source. Its head ${raised}; then whatever is changed under ${prefixes.join(', ')} on the target is changed there, too, for as long as this runs. Nothing is written to the target.`,
    warnings,
    yes,
    context,
  );
}

interface ReverseLine extends ReverseStatus {
  keysPerSecond: number;
}

function texts(): Omit<LiveTexts<ReverseStatus, ReverseLine>, 'onStatus'> {
  const rate = new Rate();
  return {
    more: ({ puts, deletions }) => ({ keysPerSecond: Math.round(rate.per(puts + deletions)) }),
    line: statusLine,
    summary,
  };
}

/** Late writes first: a narrow terminal shows no more than the beginning. */
function statusLine(s: ReverseLine): string {
  if (s.comparing) return [...lagFirst(s), `${count(s.comparing.keys)} keys`].join('; ');
  if (s.position === null) return lagFirst(s).join('; ');
  const parts = [
    ...lateText(s),
    `revision ${s.position} of the target`,
    `${count(s.keysPerSecond)} keys/s`,
    ...(s.margin === null ? [] : [marginText(s.margin)]),
  ];
  return [...lagFirst(s), ...parts].join('; ');
}

function marginText(margin: number): string {
  return margin < 0 ? `source ${count(-margin)} below` : `source ${count(margin)} above`;
}

function lateText({ lateWrites: { count: found, open, all } }: ReverseStatus): string[] {
  if (found === 0) return [];
  const writes = found === 1 ? 'late write' : 'late writes';
  return [`${count(found)} ${writes}, ${all ? '' : 'more than '}${count(open.length)} open`];
}

function summary(s: ReverseStatus, seconds: number): string {
  const wrote = `Put ${count(s.puts)} keys (${bytes(s.bytes)}) on the source, deleted ${count(s.deletions)}, in ${duration(seconds)}.`;
  const late = lateText(s).map((text) => `On the source: ${text}.`);
  if (s.endedBy !== null)
    return [`It is over: the cutover is ${s.endedBy}.`, wrote, ...late].join('\n');
  const where =
    s.position === null
      ? 'Stopped before anything was brought.'
      : `Stopped: the source has what the target had at revision ${s.position}, ${count(s.lagRevisions ?? 0)} behind its ${s.targetHead}.`;
  const next = '`etcd-lockstep follow --reverse` goes on from there.';
  return [where, wrote, ...late, next].join('\n');
}
