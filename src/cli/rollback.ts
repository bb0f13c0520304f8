/** etcd-lockstep rollback */
import type { Command } from 'commander';
import { BOTH_ACCESS } from '../config/access.js';
import type { Options } from '../config/options.js';
import { Rollback, type RollbackOptions, type RollbackReport } from '../cutover/rollback.js';
import { resourceList } from '../cutover/switch.js';
import { count, fields, table } from '../status/format.js';
import { EXIT_DIFFERENT, register, type Context } from './command.js';
import { askGo, Hook, needsGo } from './go.js';
import { withNight } from './night.js';
import { shownSteps, waitText } from './steps.js';

type GivenOptions = Pick<Options, 'margin' | 'quiet' | 'watch'> &
  Partial<Pick<Options, 'resource' | 'switchHook' | 'yes'>>;

export function rollbackCommand(program: Command): void {
  register(program, {
    name: 'rollback',
    description:
      'Take the apiservers back to the source after a cutover, with what was changed since; no revision goes backwards.',
    required: ['endpoints', 'destEndpoints', 'margin', 'quiet', 'watch'],
    optional: [
      ...(['kubeconfig', 'apiservers', 'without', 'resource', 'switchHook', 'yes'] as const),
      ...BOTH_ACCESS,
    ],
    example:
      'etcd-lockstep rollback --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: (options, context) => {
      needsGo(options.yes);
      return withNight(options, async ({ source, target, apiservers, without }) => {
        const report = await new Rollback({
          ...{ source, target, apiservers, without },
          ...rollbackOptions(options, context),
        }).run();
        context.print({ rollback: report }, () => rollbackText(report));
        return report.alarms.length > 0 ? EXIT_DIFFERENT : 0;
      });
    },
  });
}

function rollbackOptions(
  options: GivenOptions,
  context: Context,
): Omit<RollbackOptions, 'source' | 'target' | 'apiservers' | 'without'> {
  const hook = new Hook('switchHook', options.switchHook, context);
  return {
    signal: context.signal,
    resources: options.resource,
    margin: options.margin,
    quietMs: options.quiet,
    watchSeconds: options.watch,
    go: ({ resources, warnings }) =>
      askGo(whatGoMeans(resourceList(resources)), warnings, options.yes, context),
    ...(hook.given
      ? {
          switchHook: ({ url }, { epoch }, stop) =>
            hook.run({ APISERVER: url, OVERRIDES: '', EPOCH: String(epoch) }, stop),
        }
      : {}),
    ...shownSteps(context),
    onWait: (waiting, { resources }) => {
      const toDo = [`Start each without ${resourceList(resources)} in --etcd-servers-overrides`];
      context.log.info(waitText(waiting, hook.byHand ? toDo : []));
    },
  };
}

function whatGoMeans(resources: string): string {
  return `Writes to ${resources} are refused until every apiserver serves from the source again. The source is written: its head is raised above the target's, and what was changed since the cutover is put there. The target is of no use afterwards; a new attempt needs a new seed.`;
}

/** The end of a run, for people; docs/ shows it. */
export function rollbackText(r: RollbackReport): string {
  const { brought, heads } = r;
  return [
    `${r.alarms.length > 0 ? 'ROLLED BACK, WITH ALARMS' : 'ROLLED BACK'}: ${r.prefixes.join(', ')}`,
    fields([
      ['resources', r.resources.join(', ')],
      ['keys', `${count(brought.keys)}, of which ${count(brought.unchanged)} kept their revision`],
      ['brought back', `${count(brought.put)} put, ${count(brought.deleted)} deleted`],
      [
        'heads',
        heads ? `source ${count(heads.source)}, target ${count(heads.target)}` : 'not asked',
      ],
      ['writes refused for', r.frozenSeconds === null ? '?' : `${r.frozenSeconds.toFixed(1)} s`],
      ['late writes', count(r.lateWrites.length)],
    ]),
    table([['step', 'seconds'], ...r.steps.map(({ step, seconds }) => [step, seconds.toFixed(2)])]),
    ...r.alarms.map((alarm) => `ALARM: ${alarm}`),
  ].join('\n');
}
