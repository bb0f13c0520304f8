/** etcd-lockstep cutover */
import type { Command } from 'commander';
import { BOTH_ACCESS, PEERS, peersOf } from '../config/access.js';
import type { Given } from '../config/parse.js';
import type { Moving } from '../cutover/nightevents.js';
import type { CutoverReport } from '../cutover/nightoptions.js';
import { overrides, resourceList } from '../cutover/switch.js';
import { LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import { withKube } from '../kube/config.js';
import type { CutoverRequest, Migration } from '../migration.js';
import { count, fields, table } from '../text.js';
import { EXIT_DIFFERENT, FOLLOWERS, HOOKS, LISTENER, register, type Context } from './command.js';
import { askGo, Hook, needsGo } from './go.js';
import { reversing } from './reversing.js';
import { withNight, type Apiservers } from './night.js';
import { rehearse } from './rehearsal.js';
import { NIGHT_REPORT, SeenNight } from './seennight.js';
import { showEvent } from './shownsteps.js';
import { quoted } from './typed.js';

const CONDUCT = ['margin', 'quiet', 'maxFreeze', 'watch', 'switchHook', 'flipHook', 'yes'] as const;
type CutoverFlags = Given<
  never,
  'resource' | 'noReverse' | 'postponeUntil' | (typeof CONDUCT)[number] | (typeof PEERS)[number]
>;

export function cutoverCommand(program: Command): void {
  register(program, {
    name: 'cutover',
    description:
      'Move the apiservers from source to target: freeze, drain, compare, fence, switch, unfreeze.',
    required: ['endpoints', 'destEndpoints'],
    optional: [
      ...(['kubeconfig', 'apiservers', 'oldApiservers', 'without', 'resource'] as const),
      ...CONDUCT,
      ...(['noReverse', 'rehearse', 'sample', 'runbook', 'postponeUntil', 'report'] as const),
      ...PEERS,
      ...LISTENER,
      ...HOOKS,
      ...BOTH_ACCESS,
    ],
    notFromFile: FOLLOWERS,
    help: {
      report: NIGHT_REPORT,
      sample: 'with --rehearse: how long the source is watched to see what it writes',
    },
    example:
      'etcd-lockstep cutover --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: (options, context) => {
      const { kubeconfig, oldApiservers: old = [] } = options;
      if (options.rehearse)
        return withNight(options, context, (migration, apiservers) =>
          withKube(kubeconfig, old, (oldApiservers) =>
            rehearse(options, context, migration, { ...apiservers, oldApiservers }),
          ),
        );
      needsGo(options.yes);
      const seen = new SeenNight('cutover', options, context);
      return withNight(options, context, (migration, apiservers) =>
        withKube(kubeconfig, old, async (oldApiservers) => {
          const all = [...apiservers.apiservers, ...oldApiservers];
          const { report } = await seen.run(migration, all, async () => ({
            kind: 'cutover',
            report: await migration.cutover({
              ...{ ...apiservers, oldApiservers },
              ...cutoverOptions(options, migration.targetEndpoints, context, seen),
            }),
          }));
          const { listed, lines } = seen.reports;
          const text = () => [cutoverText(report), ...lines].join('\n');
          context.print({ cutover: report, ...listed }, text);
          const code = seen.reports.end(report.alarms.length > 0 ? EXIT_DIFFERENT : 0, context);
          if (options.noReverse || context.signal.aborted) return code;
          context.note(GOES_ON);
          const isKept = await keepWayBack(options, context, migration, apiservers.apiservers);
          return isKept ? code : EXIT_DIFFERENT;
        }),
      );
    },
  });
}

/** Until it is stopped. @returns false where it cannot be kept open any more; the cutover is done all the same */
async function keepWayBack(
  options: Parameters<typeof reversing>[0],
  context: Context,
  migration: Migration,
  apiservers: readonly ApiServer[],
): Promise<boolean> {
  try {
    await reversing(options, context, migration, apiservers, ({ warnings }) => {
      for (const warning of warnings) context.note(warning, true);
      return Promise.resolve();
    });
    return true;
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    const { message, hint = '' } = error;
    context.note(
      `the cutover is done, but the way back is not kept open: ${message}. ${hint} \`follow --reverse\` keeps it open again; without it a rollback reads all keys inside its freeze.`,
      true,
    );
    return false;
  }
}

function cutoverOptions(
  options: CutoverFlags,
  targetEndpoints: readonly string[],
  context: Context,
  seen: SeenNight,
): Omit<CutoverRequest, keyof Apiservers | 'oldApiservers'> {
  const { maxFreeze, yes } = options;
  const hook = new Hook('switchHook', options.switchHook, context);
  const flip = new Hook('flipHook', options.flipHook, context);
  const { signal } = context;
  const env = ({ resources, epoch }: Moving) => ({
    OVERRIDES: overrides(resources, targetEndpoints),
    EPOCH: String(epoch),
  });
  return {
    signal,
    resources: options.resource,
    margin: options.margin,
    quietMs: options.quiet * 1000,
    maxFreezeSeconds: maxFreeze,
    watchSeconds: options.watch,
    peers: peersOf(options),
    postponeUntil: options.postponeUntil,
    go: ({ resources, warnings }) =>
      askGo(
        whatGoMeans(resourceList(resources), maxFreeze, !options.noReverse),
        warnings,
        yes,
        context,
      ),
    ...(hook.given
      ? {
          switchHook: ({ url }, moving, stop) => hook.run({ ...env(moving), APISERVER: url }, stop),
        }
      : {}),
    ...(flip.given ? { flipHook: (moving, stop) => flip.run(env(moving), stop) } : {}),
    onMustGoOn: context.mustGoOn,
    onEvent: seen.hearing(
      showEvent(context, ({ until, moving }) => {
        if (until === 'gone')
          return flip.byHand ? ['Take clients to the new apiservers, and stop these'] : [];
        const flag = overrides(moving.resources, targetEndpoints);
        const toDo = ['Start each with', `  ${quoted(`--etcd-servers-overrides=${flag}`)}`];
        return hook.byHand ? toDo : [];
      }),
    ),
  };
}

const GOES_ON =
  'the cutover is done; from now on what is written on the target is brought to the source, so that a rollback is short. Stop this whenever you like (Ctrl-C): `etcd-lockstep follow --reverse` goes on';

function whatGoMeans(resources: string, maxFreeze: number, reverse: boolean): string {
  const then = reverse
    ? ' When all is done, the source is written: what changes on the target is brought there, until this is stopped (--no-reverse: not).'
    : '';
  return `Source and target are equal. Next, writes to ${resources} are refused until every apiserver has moved; if the target cannot be found equal within ${maxFreeze} s they are let in again. Then the target is taken over: from there the way back is rollback.${then}`;
}

/** The end of a run, for people; docs/ shows it. */
export function cutoverText(r: CutoverReport): string {
  return [
    `${r.alarms.length > 0 ? 'CUT OVER, WITH ALARMS' : 'CUT OVER'}: ${r.prefixes.join(', ')}`,
    fields([
      ['resources', r.resources.join(', ')],
      ['exact copy up to', `revision ${r.exact}`],
      ['keys', count(r.keys)],
      ['checksum', r.checksum],
      ['heads', r.heads ? `source ${r.heads.source}, target ${r.heads.target}` : 'not asked'],
      [
        'writes refused for',
        r.frozenSeconds === null ? 'unknown' : `${r.frozenSeconds.toFixed(1)} s`,
      ],
      ['of that ours', `${r.ownSeconds.toFixed(2)} s (drain, compare, takeover, fence)`],
      ['late writes', count(r.lateWrites.count)],
    ]),
    table([['step', 'seconds'], ...r.steps.map(({ step, seconds }) => [step, seconds.toFixed(2)])]),
    ...r.alarms.map((alarm) => `ALARM: ${alarm}`),
  ].join('\n');
}
