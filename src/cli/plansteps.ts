/** The order of the work, as commands to be typed. */
import type { Options } from '../config/options.js';
import type { Plan } from '../plan/plan.js';
import { restoreCommands } from './restore.js';
import { nameFor, prefixFlags, sideFlags, writerFlags } from './typed.js';

export interface PlanStep {
  step: string;
  /** What it is for, and when. */
  what: string;
  commands: string[];
}

/** @param options that say where both sides are */
export function planSteps(plan: Plan, options: Partial<Options>): PlanStep[] {
  const name = nameFor(plan.prefixes);
  const [journal, base] = [`${name}.journal`, `${name}.db`];
  const { destEndpoints = [`https://${name.toUpperCase()}-ETCD:2379`] } = options;
  const from = sideFlags('source', options);
  const to = sideFlags('target', { ...options, destEndpoints });
  const written = writerFlags({ ...options, destEndpoints });
  const prefixes = prefixFlags(plan.prefixes);
  return [
    ...beside(plan, from),
    {
      step: 'seed',
      what: 'Read the keys from the live source into a journal and a base.',
      commands: [`etcd-lockstep seed ${from} ${prefixes} --journal ${journal} --out ${base}`],
    },
    {
      step: 'follow',
      what: 'At once when seed has ended, and from then on: it writes the changes down and waits for the target. Let something restart it.',
      commands: [`etcd-lockstep follow ${from} ${written} --journal ${journal}`],
    },
    {
      step: 'restore',
      what: 'Make the target of the base, on each host its two lines (on etcd 3.4: etcdctl instead of etcdutl; add your certificates).',
      commands: restoreCommands(base, plan.prefixes, destEndpoints),
    },
    {
      step: 'audit',
      what: 'Compare key by key while both are live, as often as you like; and plan again, which now looks at the target.',
      commands: [`etcd-lockstep audit ${from} ${to} ${prefixes} --history`],
    },
    ...cutover(plan, `${from} ${to}`, `${from} ${written}`),
  ];
}

/** What goes to its own etcd without lockstep; at any time, and apart from the rest. */
function beside({ folders, root }: Plan, from: string): PlanStep[] {
  const has = (way: string) => folders.some((folder) => folder.way === way);
  const steps: PlanStep[] = [];
  if (has('configuration'))
    steps.push({
      step: 'events',
      what: "By configuration only: an empty etcd whose revisions begin above the source's head, its entry in the flag above, restart the apiservers one by one. Nothing is copied; the old ones expire. First, because events are often most of the revisions.",
      commands: [],
    });
  if (has('mirror'))
    steps.push({
      step: 'leases',
      what: "A plain copy into an etcd of their own whose revisions begin above the source's head, running until the apiservers have moved, all within seconds.",
      commands: [
        `etcd-lockstep mirror ${from} --dest-endpoints https://LEASES-ETCD:2379 ${prefixFlags([`${root}leases/`])}`,
      ],
    });
  return steps;
}

/**
 * Of resources of Kubernetes; another program's keys are switched by what uses them.
 * @param ends how both sides are reached; `written` has the target's peer ports, too
 */
function cutover({ folders, estimates }: Plan, ends: string, written: string): PlanStep[] {
  const moved = folders.filter((folder) => folder.way === 'lockstep' && folder.resource !== null);
  if (moved.length === 0) return [];
  const names = moved.map(({ resource }) => `--resource ${kubectlName(resource ?? '')}`).join(' ');
  const kube = `--kubeconfig KUBECONFIG --apiservers https://APISERVER-1:6443,https://APISERVER-2:6443`;
  return [
    {
      step: 'freeze',
      what: 'Look at what will stop the writes, before the night. It is applied by cutover.',
      commands: [`etcd-lockstep freeze print ${names} --kubeconfig KUBECONFIG`],
    },
    {
      step: 'cutover',
      what: 'Freeze, drain, check, fence, switch the apiservers with the flag above, verify, unfreeze. Goes on where it was.',
      commands: [
        `etcd-lockstep cutover ${written} ${kube} ${names} --margin ${estimates.fenceMargin}`,
      ],
    },
    {
      step: 'retire',
      what: 'After the sign-off: remove the old keys from the source, ours from the target. A dry run first.',
      commands: [`etcd-lockstep retire ${ends} ${kube} ${names}`],
    },
  ];
}

/** `deployments.apps` of `apps/deployments`, `pods` of `/pods`. */
function kubectlName(resource: string): string {
  const [group = '', name = ''] = resource.split('/');
  return group === '' ? name : `${name}.${group}`;
}
