/** etcd-lockstep rollback */
import type { Command } from 'commander';
import {
  SOURCE_ACCESS,
  sourceConnection,
  TARGET_ACCESS,
  targetConnection,
} from '../config/access.js';
import { Rollback, type RollbackReport } from '../cutover/rollback.js';
import { resourceList } from '../cutover/switch.js';
import { loadKube } from '../kube/config.js';
import { count, fields, table } from '../status/format.js';
import { EtcdClient } from '../wire/client.js';
import { EXIT_DIFFERENT, refuseSame, register } from './command.js';
import { askGo, Hook, needsGo } from './go.js';
import { shownSteps, waitText } from './steps.js';

export function rollbackCommand(program: Command): void {
  register(program, {
    name: 'rollback',
    description:
      'Take the apiservers back to the source after a cutover, with what was changed since; no revision goes backwards.',
    required: ['endpoints', 'destEndpoints', 'resource', 'margin', 'quiet', 'watch'],
    optional: [
      ...(['kubeconfig', 'apiservers', 'switchHook', 'yes'] as const),
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    example:
      'etcd-lockstep rollback --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: async (options, context) => {
      needsGo(options.yes);
      const { resource, yes } = options;
      const hook = new Hook('switchHook', options.switchHook, context);
      const { signal, print, log } = context;
      const from = await sourceConnection(options);
      const to = await targetConnection(options);
      refuseSame(from, to);
      const apiservers = await loadKube(options.kubeconfig, options.apiservers);
      const source = new EtcdClient(from, 'source');
      const target = new EtcdClient(to, 'target');
      const toDo = [`Start each without ${resourceList(resource)} in --etcd-servers-overrides`];
      try {
        const report = await new Rollback({
          ...{ source, target, apiservers, signal },
          resources: resource,
          margin: options.margin,
          quietMs: options.quiet,
          watchSeconds: options.watch,
          go: (warnings) => askGo(whatGoMeans(resourceList(resource)), warnings, yes, context),
          ...(hook.given
            ? { switchHook: ({ url }) => hook.run({ APISERVER: url, OVERRIDES: '' }) }
            : {}),
          ...shownSteps(context),
          onWait: (waiting) => {
            log.info(waitText(waiting, hook.byHand ? toDo : []));
          },
        }).run();
        print({ rollback: report }, () => reportText(report));
        return report.alarms.length > 0 ? EXIT_DIFFERENT : 0;
      } finally {
        source.close();
        target.close();
        for (const api of apiservers) api.close();
      }
    },
  });
}

function whatGoMeans(resources: string): string {
  return `Writes to ${resources} are refused until every apiserver serves from the source again. The source is written: its head is raised above the target's, and what was changed since the cutover is put there. The target is of no use afterwards; a new attempt needs a new seed.`;
}

function reportText(r: RollbackReport): string {
  const { brought, heads } = r;
  return [
    `${r.alarms.length > 0 ? 'ROLLED BACK, WITH ALARMS' : 'ROLLED BACK'}: ${r.prefixes.join(', ')}`,
    fields([
      ['keys', `${count(brought.keys)}, of which ${count(brought.unchanged)} kept their revision`],
      ['brought back', `${count(brought.put)} put, ${count(brought.deleted)} deleted`],
      ['heads', `source ${count(heads.source)}, target ${count(heads.target)}`],
      ['writes refused for', r.frozenSeconds === null ? '?' : `${r.frozenSeconds.toFixed(1)} s`],
      ['late writes', count(r.lateWrites.length)],
    ]),
    table([['step', 'seconds'], ...r.steps.map(({ step, seconds }) => [step, seconds.toFixed(2)])]),
    ...r.alarms.map((alarm) => `ALARM: ${alarm}`),
  ].join('\n');
}
