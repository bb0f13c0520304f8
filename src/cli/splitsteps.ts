/**
 * The order of a split into several etcds, with the reasons: what goes when, and what goes together.
 *
 *     events, an evening before ─► lockstep, days ─► mirror, an hour ─► one flip to pre-warmed apiservers
 *
 * Leases decide the night: two apiservers with two etcds for them must not live side by side, so they move
 * where all apiservers move at once. The flag is one for all resources, so that is one switch.
 */
import { etcdOf, type Part } from '../plan/parts.js';
import { rate } from '../plan/estimates.js';
import type { Plan } from '../plan/plan.js';
import type { PlanStep } from './plansteps.js';
import { flag, quoted } from './typed.js';

/** Where nobody has said what it is called. */
const FILE = 'split.yaml';
/** An etcd that is not in lockstep begins here at least: above the head of any source that is usual. */
const LEAST_FIRST_REVISION = 1_000_000_000;

/** A split, and the config file that it is or may be written to. */
interface Splitting {
  plan: Plan & { parts: readonly Part[] };
  file: string;
}

export function splitSteps(plan: Plan & { parts: readonly Part[] }, file = FILE): PlanStep[] {
  const splitting = { plan, file };
  const of = (way: Part['way']) => plan.parts.filter((part) => part.way === way);
  const lockstep = of('lockstep');
  const mirrored = of('mirror');
  return [
    ...of('configuration').map((part) => configured(part, splitting)),
    ...lockstep.flatMap((part) => inLockstep(part, splitting)),
    ...mirrored.map((part) => copied(part, splitting)),
    ...night(lockstep, mirrored, splitting),
    ...afterwards(lockstep, mirrored, splitting),
  ];
}

/** The number that the revisions of an etcd which is not in lockstep have to begin above. */
function firstRevision({ source }: Pick<Plan, 'source'>): number {
  let first = LEAST_FIRST_REVISION;
  while (first < 2 * source.head) first *= 10;
  return first;
}

function emptyEtcd(part: Part, { plan }: Splitting): string[] {
  return [
    'etcdctl --endpoints http://NEW-AND-EMPTY:2379 snapshot save empty.db',
    `etcdutl snapshot restore empty.db --bump-revision ${firstRevision(plan)} --mark-compacted --data-dir ${part.name}-0.etcd`,
  ];
}

function configured(part: Part, splitting: Splitting): PlanStep {
  const { name, resource, perSecond, share } = part;
  const gone =
    perSecond === null || share === null
      ? ''
      : ` ${rate(perSecond)} revisions a second (${percent(share)}) are the source's no more then, and so are as many writes on each etcd in lockstep.`;
  return {
    step: name,
    what: `On an evening before, rolling. Nothing is copied: what is there expires within an hour, and nobody resumes from its history. An empty etcd, but one whose revisions begin above the source's head: from one that begins at 1 clients that resume would see nothing. Then ${resource}#${etcdOf(part)} into the flag, one apiserver after the other.${gone}`,
    commands: emptyEtcd(part, splitting),
  };
}

function inLockstep({ name, needsPeers, etcdPerSecond }: Part, { file }: Splitting): PlanStep[] {
  const load =
    etcdPerSecond === null ? '' : ` Its etcd takes ${rate(etcdPerSecond)} writes a second`;
  const way = needsPeers
    ? ', more than goes by transactions: the file has target.peers, so open its peer port to the follower.'
    : ', which goes by transactions where it is near.';
  return [
    {
      step: `${name}: seed and follow`,
      what: `Days before, when its etcd's endpoints are in the file. seed prints how to restore the base.${load === '' ? '' : load + way} Let something restart follow.`,
      commands: [own('seed', file, name), own('follow', file, name)],
    },
    {
      step: `${name}: audit`,
      what: 'When its etcd runs; as often as you like, and once more an hour before. And plan for it, which then looks at its etcd.',
      commands: [own('audit', file, name, '--history'), own('plan', file, name)],
    },
  ];
}

function copied(part: Part, splitting: Splitting): PlanStep {
  const { name } = part;
  return {
    step: `${name}: mirror`,
    what: `An hour before the night. Values count here, and numbers only in that they must not go back: so a plain copy, into an etcd whose revisions begin above the source's head.`,
    commands: [...emptyEtcd(part, splitting), own('mirror', splitting.file, name)],
  };
}

function night(
  lockstep: readonly Part[],
  mirrored: readonly Part[],
  { plan, file }: Splitting,
): PlanStep[] {
  const [first, ...others] = lockstep;
  const override = `--etcd-servers-overrides=${plan.overrides}`;
  const steps = [
    ...(mirrored.length === 0 ? [] : [flip(first, mirrored, file, override)]),
    ...(first && mirrored.length === 0 ? [alone(first, file, 'as one freeze.')] : []),
    ...others.map((part) =>
      alone(
        part,
        file,
        'in a night of its own: a cutover is about one etcd. What has to go in one freeze goes into one etcd, as several prefixes of one migration.',
      ),
    ),
  ];
  return steps;
}

/** Leases, and what goes with them. */
function flip(
  first: Part | undefined,
  mirrored: readonly Part[],
  file: string,
  override: string,
): PlanStep {
  const names = mirrored.map(({ name }) => name).join(' and ');
  const why = `Two apiservers with two etcds for ${names} must not live side by side: a leader that renews here is not seen there (a second one is elected after 15 s), nor a kubelet (its node is Unknown after 40 s).`;
  const synced = mirrored.map(({ name }) => own('mirror', file, name, '--until-synced'));
  if (!first)
    return {
      step: `${names}: all apiservers at once`,
      what: `${why} So stop all apiservers (kill them after some seconds), let the mirror come to its end, and start them with the flag. Leaders put up with ten seconds.`,
      commands: [...synced, quoted(override)],
    };
  return {
    step: `the night: ${[first, ...mirrored].map(({ name }) => name).join(' and ')}`,
    what: `One freeze. ${why} So they move where all apiservers move at once: to pre-warmed ones (docs/prewarmed.md), which are started before with all overrides in the one flag, --etcd-compaction-interval=0 and --endpoint-reconciler-type=none. flip.sh kills the old ones, lets the mirror come to its end, and takes the load balancer over (docs/split.md has it). Leaders put up with ten seconds without an apiserver.`,
    commands: [quoted(override), own('cutover', file, first.name), ...synced],
  };
}

function alone({ name }: Part, file: string, how: string): PlanStep {
  return {
    step: `the night: ${name}`,
    what: `Freeze, drain, check, fence, switch, verify, unfreeze: ${how} One apiserver after the other, or pre-warmed ones.`,
    commands: [own('cutover', file, name)],
  };
}

function afterwards(
  lockstep: readonly Part[],
  mirrored: readonly Part[],
  { plan, file }: Splitting,
): PlanStep[] {
  return [
    ...lockstep.map(({ name }) => ({
      step: `${name}: retire`,
      what: 'After the sign-off. A dry run first.',
      commands: [own('retire', file, name)],
    })),
    ...mirrored.map((part) => ({
      step: `${part.name}: remove`,
      what: "After the sign-off: the old keys from the source, and the mirror's cursor from the new etcd.",
      commands: [
        `etcdctl --endpoints ${quoted(plan.source.members.map(({ endpoint }) => endpoint).join(','))} del --prefix ${quoted(part.folder)}`,
        `etcdctl --endpoints ${quoted(etcdOf(part))} del --prefix etcd-lockstep/`,
      ],
    })),
  ];
}

function own(command: string, file: string, migration: string, ...more: string[]): string {
  const which = [`-f ${quoted(file)}`, flag('migration', migration)];
  return ['etcd-lockstep', command, ...which, ...more].join(' ');
}

export function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
