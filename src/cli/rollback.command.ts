/** etcd-lockstep rollback */
import type { Command } from 'commander';
import { BOTH_ACCESS } from '../config/access.js';
import type { Given } from '../config/parse.js';
import type { RollbackReport } from '../cutover/rollback.js';
import { resourceList } from '../cutover/switch.js';
import type { RollbackRequest } from '../migration.js';
import { count, fields, table } from '../text.js';
import { EXIT_DIFFERENT, FOLLOWERS, HOOKS, LISTENER, register, type Context } from './command.js';
import { askGo, Hook, needsGo } from './go.js';
import { withNight, type Apiservers } from './night.js';
import { NIGHT_REPORT, SeenNight } from './seennight.js';
import { showEvent } from './shownsteps.js';

const CONDUCT = ['resource', 'margin', 'quiet', 'watch', 'switchHook', 'yes'] as const;
type RollbackFlags = Given<never, (typeof CONDUCT)[number]>;

export function rollbackCommand(program: Command): void {
  register(program, {
    name: 'rollback',
    description:
      'Take the apiservers back to the source after a cutover, with what was changed since; no revision goes backwards.',
    required: ['endpoints', 'destEndpoints'],
    optional: [
      ...(['kubeconfig', 'apiservers', 'without', 'report'] as const),
      ...CONDUCT,
      ...LISTENER,
      ...HOOKS,
      ...BOTH_ACCESS,
    ],
    notFromFile: FOLLOWERS,
    help: {
      report: NIGHT_REPORT,
      margin: "revisions that the source's head is raised above the target's, at least",
      switchHook:
        'shell command that moves one apiserver back; finds it in $APISERVER, and in $EPOCH a number that is higher in each later run',
    },
    example:
      'etcd-lockstep rollback --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: (options, context) => {
      needsGo(options.yes);
      const seen = new SeenNight('rollback', options, context);
      return withNight(options, context, async (migration, apiservers) => {
        const request = { ...apiservers, ...rollbackOptions(options, context, seen) };
        const { report } = await seen.run(migration, apiservers.apiservers, async () => ({
          kind: 'rollback',
          report: await migration.rollback(request),
        }));
        const { listed, lines } = seen.reports;
        const text = () => [rollbackText(report), ...lines].join('\n');
        context.print({ rollback: report, ...listed }, text);
        return seen.reports.end(report.alarms.length > 0 ? EXIT_DIFFERENT : 0, context);
      });
    },
  });
}

function rollbackOptions(
  options: RollbackFlags,
  context: Context,
  seen: SeenNight,
): Omit<RollbackRequest, keyof Apiservers> {
  const hook = new Hook('switchHook', options.switchHook, context);
  return {
    signal: context.signal,
    resources: options.resource,
    margin: options.margin,
    quietMs: options.quiet * 1000,
    watchSeconds: options.watch,
    go: ({ resources, warnings }) =>
      askGo(whatGoMeans(resourceList(resources)), warnings, options.yes, context),
    ...(hook.given
      ? {
          switchHook: ({ url }, { epoch }, stop) =>
            hook.run({ APISERVER: url, OVERRIDES: '', EPOCH: String(epoch) }, stop),
        }
      : {}),
    onMustGoOn: context.mustGoOn,
    onEvent: seen.hearing(
      showEvent(context, ({ moving: { resources } }) => {
        const toDo = [`Start each without ${resourceList(resources)} in --etcd-servers-overrides`];
        return hook.byHand ? toDo : [];
      }),
    ),
  };
}

function whatGoMeans(resources: string): string {
  return `Writes to ${resources} are refused until every apiserver serves from the source again. The source is written: its head is raised above the target's, and what was changed since the cutover is put there. For a new attempt follow --again takes the target into lockstep again where it can.`;
}

/** The end of a run, for people; docs/ shows it. */
export function rollbackText(r: RollbackReport): string {
  const { back, brought, heads } = r;
  const looked = `${count(brought.keys)}, of which ${count(brought.unchanged)} kept their revision`;
  return [
    `${r.alarms.length > 0 ? 'ROLLED BACK, WITH ALARMS' : 'ROLLED BACK'}: ${r.prefixes.join(', ')}`,
    fields([
      ['resources', r.resources.join(', ')],
      ['way', wayText(back)],
      ...(brought.keys > 0 ? ([['keys', looked]] as const) : []),
      ['brought back', `${count(brought.put)} put, ${count(brought.deleted)} deleted`],
      ['heads', heads ? `source ${heads.source}, target ${heads.target}` : 'not asked'],
      ['writes refused for', r.frozenSeconds === null ? '?' : `${r.frozenSeconds.toFixed(1)} s`],
      ['of that ours', `${r.ownSeconds.toFixed(2)} s (drain, raise, bring back, compare)`],
      ['late writes', count(r.lateWrites.length)],
    ]),
    table([['step', 'seconds'], ...r.steps.map(({ step, seconds }) => [step, seconds.toFixed(2)])]),
    ...r.alarms.map((alarm) => `ALARM: ${alarm}`),
  ].join('\n');
}

function wayText({ way, why }: RollbackReport['back']): string {
  if (way === 'short') return 'short: the source was kept current';
  return why === null ? 'long: by every key' : `long, by every key: ${why}`;
}
