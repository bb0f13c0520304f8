/** The order of the work, as commands to be typed. */
import type { OptionName } from '../config/options.js';
import type { Plan } from '../plan/plan.js';
import { restoreCommands } from './restore.js';
import {
  commandAgain,
  flag,
  flagAgain,
  nameFor,
  prefixFlags,
  sideFlags,
  writerFlags,
  type Again,
} from './typed.js';

export interface PlanStep {
  step: string;
  /** What it is for, and when. */
  what: string;
  commands: string[];
}

/** The journal and the base of a migration, beside each other and called after what is moved. */
export function filesOf(
  { prefixes }: Pick<Plan, 'prefixes'>,
  { journal, out }: Again,
): { journal: string; base: string } {
  const name = nameFor(prefixes);
  return { journal: journal ?? `${name}.journal`, base: out ?? `${name}.db` };
}

/** Where nobody has said where the target will be. */
export function placeholder({ prefixes }: Pick<Plan, 'prefixes'>): string[] {
  return [`https://${nameFor(prefixes).toUpperCase()}-ETCD:2379`];
}

/** @param options that say where both sides are */
export function planSteps(plan: Plan, options: Again): PlanStep[] {
  const { journal, base } = filesOf(plan, options);
  const { destEndpoints = placeholder(plan) } = options;
  const from = sideFlags('source', options);
  const to = sideFlags('target', { ...options, destEndpoints });
  const written = writerFlags({ ...options, destEndpoints });
  const prefixes = prefixFlags(plan.prefixes, options);
  const intoJournal = flagAgain(options, 'journal', journal);
  const out = flagAgain(options, 'out', base);
  return [
    ...beside(plan, options),
    {
      step: 'seed',
      what: 'Read the keys from the live source into a journal and a base.',
      commands: [commandAgain('seed', options, from, prefixes, intoJournal, out)],
    },
    {
      step: 'follow',
      what: 'At once when seed has ended, and from then on: it writes the changes down and waits for the target. Let something restart it.',
      commands: [commandAgain('follow', options, from, written, intoJournal)],
    },
    {
      step: 'restore',
      what: 'Make the target of the base, on each host its two lines (on etcd 3.4: etcdctl instead of etcdutl; add your certificates).',
      commands: restoreCommands(base, plan.prefixes, destEndpoints),
    },
    {
      step: 'audit',
      what: 'Compare key by key while both are live, as often as you like; and plan again, which now looks at the target.',
      commands: [commandAgain('audit', options, from, to, prefixes, '--history')],
    },
    ...cutover(plan, options, { ends: [from, to], written: [from, written] }),
  ];
}

/** What goes to its own etcd without lockstep; at any time, and apart from the rest. */
function beside({ folders, root }: Plan, options: Again): PlanStep[] {
  // The config file is about what is moved; of it only the source is the same.
  const { fromFile: _, ...given } = options;
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
        commandAgain(
          'mirror',
          given,
          sideFlags('source', given),
          flag('destEndpoints', 'https://LEASES-ETCD:2379'),
          prefixFlags([`${root}leases/`]),
        ),
      ],
    });
  return steps;
}

/** Of what is moved, those that are resources of Kubernetes, as kubectl names them. */
export function movedResources({ folders }: Pick<Plan, 'folders'>): string[] {
  return folders
    .filter((folder) => folder.way === 'lockstep' && folder.resource !== null)
    .map(({ resource }) => kubectlName(resource ?? ''));
}

/**
 * Of resources of Kubernetes; another program's keys are switched by what uses them.
 * @param ways how both sides are reached; `written` has the target's peer ports, too
 */
function cutover(
  plan: Plan,
  options: Again,
  { ends, written }: { ends: readonly string[]; written: readonly string[] },
): PlanStep[] {
  const moved = movedResources(plan);
  if (moved.length === 0) return [];
  const again = (name: OptionName, value: string) => flagAgain(options, name, value);
  const names = moved.map((name) => again('resource', name));
  const config = again('kubeconfig', 'KUBECONFIG');
  const kube = [config, again('apiservers', 'https://APISERVER-1:6443,https://APISERVER-2:6443')];
  const margin = again('margin', String(plan.estimates.fenceMargin));
  return [
    {
      step: 'freeze',
      what: 'Look at what will stop the writes, before the night. It is applied by cutover.',
      commands: [commandAgain('freeze print', options, ...names, config)],
    },
    {
      step: 'cutover',
      what: 'Freeze, drain, check, fence, switch the apiservers with the flag above, verify, unfreeze. Goes on where it was.',
      commands: [commandAgain('cutover', options, ...written, ...kube, ...names, margin)],
    },
    {
      step: 'retire',
      what: 'After the sign-off: remove the old keys from the source, ours from the target. A dry run first.',
      commands: [commandAgain('retire', options, ...ends, ...kube, ...names)],
    },
  ];
}

/** `deployments.apps` of `apps/deployments`, `pods` of `/pods`. */
function kubectlName(resource: string): string {
  const [group = '', name = ''] = resource.split('/');
  return group === '' ? name : `${name}.${group}`;
}
