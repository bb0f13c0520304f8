/** etcd-lockstep cutover */
import type { Command } from 'commander';
import { BOTH_ACCESS } from '../config/access.js';
import type { Options } from '../config/options.js';
import { Cutover } from '../cutover/cutover.js';
import type { CutoverOptions, CutoverReport, Moving } from '../cutover/options.js';
import { overrides, resourceList } from '../cutover/switch.js';
import { withKube } from '../kube/config.js';
import { count, fields, table } from '../status/format.js';
import { EXIT_DIFFERENT, register, type Context } from './command.js';
import { askGo, Hook, needsGo } from './go.js';
import { withNight, type Night } from './night.js';
import { shownSteps, waitText } from './steps.js';

type GivenOptions = Pick<Options, 'margin' | 'quiet' | 'maxFreeze' | 'watch'> &
  Partial<Pick<Options, 'resource' | 'switchHook' | 'flipHook' | 'yes'>>;

export function cutoverCommand(program: Command): void {
  register(program, {
    name: 'cutover',
    description:
      'Move the apiservers from source to target: freeze, drain, compare, fence, switch, unfreeze.',
    required: ['endpoints', 'destEndpoints', 'margin', 'quiet', 'maxFreeze', 'watch'],
    optional: [
      ...(['kubeconfig', 'apiservers', 'oldApiservers', 'without', 'resource'] as const),
      ...(['switchHook', 'flipHook', 'yes'] as const),
      ...BOTH_ACCESS,
    ],
    example:
      'etcd-lockstep cutover --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: (options, context) => {
      needsGo(options.yes);
      const { kubeconfig, oldApiservers: old = [] } = options;
      return withNight(options, ({ source, sourceWatch, target, targetEndpoints, ...night }) =>
        withKube(kubeconfig, old, async (oldApiservers) => {
          const report = await new Cutover({
            ...{ source, sourceWatch, target, oldApiservers, ...night },
            ...cutoverOptions(options, targetEndpoints, context),
          }).run();
          context.print({ cutover: report }, () => cutoverText(report));
          return report.alarms.length > 0 ? EXIT_DIFFERENT : 0;
        }),
      );
    },
  });
}

function cutoverOptions(
  options: GivenOptions,
  targetEndpoints: readonly string[],
  context: Context,
): Omit<CutoverOptions, keyof Night | 'oldApiservers'> {
  const { maxFreeze, yes } = options;
  const hook = new Hook('switchHook', options.switchHook, context);
  const flip = new Hook('flipHook', options.flipHook, context);
  const { log, signal } = context;
  const env = ({ resources, epoch }: Moving) => ({
    OVERRIDES: overrides(resources, targetEndpoints),
    EPOCH: String(epoch),
  });
  return {
    signal,
    resources: options.resource,
    margin: options.margin,
    quietMs: options.quiet,
    maxFreezeSeconds: maxFreeze,
    watchSeconds: options.watch,
    go: ({ resources, warnings }) =>
      askGo(whatGoMeans(resourceList(resources), maxFreeze), warnings, yes, context),
    ...(hook.given
      ? {
          switchHook: ({ url }, moving, stop) => hook.run({ ...env(moving), APISERVER: url }, stop),
        }
      : {}),
    ...(flip.given ? { flipHook: (moving, stop) => flip.run(env(moving), stop) } : {}),
    ...shownSteps(context),
    onWait: (waiting, moving) => {
      const flag = overrides(moving.resources, targetEndpoints);
      const toDo = ['Start each with', `  --etcd-servers-overrides=${flag}`];
      log.info(waitText(waiting, hook.byHand ? toDo : []));
    },
    onWaitGone: (waiting) => {
      const toDo = ['Take clients to the new apiservers, and stop these'];
      log.info(waitText(waiting, flip.byHand ? toDo : []));
    },
  };
}

function whatGoMeans(resources: string, maxFreeze: number): string {
  return `Source and target are equal. Next, writes to ${resources} are refused until every apiserver has moved; if the target cannot be found equal within ${maxFreeze} s they are let in again. Then the target is taken over: from there the way back is rollback.`;
}

/** The end of a run, for people; docs/ shows it. */
export function cutoverText(r: CutoverReport): string {
  return [
    `${r.alarms.length > 0 ? 'CUT OVER, WITH ALARMS' : 'CUT OVER'}: ${r.prefixes.join(', ')}`,
    fields([
      ['resources', r.resources.join(', ')],
      ['exact copy up to', `revision ${count(r.exact)}`],
      ['keys', count(r.keys)],
      ['checksum', r.checksum],
      [
        'heads',
        r.heads ? `source ${count(r.heads.source)}, target ${count(r.heads.target)}` : 'not asked',
      ],
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
