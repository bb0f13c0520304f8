/** What `status` says is to be done next. */
import type { KubeStatus } from '../proof/nightstatus.js';
import type { CutoverStatus, TargetStatus } from '../target/targetstatus.js';

/**
 * @param kube null: Kubernetes was not asked
 * @returns one or two sentences
 */
export function nextStep(
  { kind, trouble, cutover }: TargetStatus,
  kube: KubeStatus | null,
): string {
  if (cutover) return nightStep(cutover, kube);
  switch (kind) {
    case 'empty':
      return 'It is empty. `etcd-lockstep seed` makes a base, and prints how to follow, and then how to restore it here.';
    case 'mirror':
      return 'A plain mirror writes here, at revisions of its own: `etcd-lockstep mirror` goes on with it, `etcd-lockstep audit --values` compares. To follow, give a target that was restored from a base.';
    case 'foreign':
      return 'It has keys and none of ours: check --dest-endpoints. A target is made by restoring the base that `etcd-lockstep seed` makes.';
    default:
      if (trouble) return trouble.hint ?? 'Seed a new target.';
      if (kube?.frozen)
        return 'Writes are frozen and the target is not taken over: a run is at it, or was killed. If it is dead, `etcd-lockstep cutover` goes on; `etcd-lockstep freeze remove` (with --force for the freeze of a run) lets writes in.';
      return '`etcd-lockstep follow` keeps it so; `etcd-lockstep cutover` when it is time.';
  }
}

function nightStep({ phase, owner, resources }: CutoverStatus, kube: KubeStatus | null): string {
  // Cutover and rollback move apiservers: who has fenced other keys moves his own clients.
  if (phase === 'fenced' && resources.length === 0)
    return "Move your clients here, while the head here is above the source's; `etcd-lockstep fence` keeps it so. When the last one has moved, nothing is left to do.";
  const ends = owner ? ` Whoever has the night (${owner}) ends by that.` : '';
  const open = kube?.frozen === null ? 'WRITES ARE NOT FROZEN. ' : '';
  switch (phase) {
    case 'fenced':
      return `${open}Apiservers are being moved. \`etcd-lockstep cutover\` goes on, \`etcd-lockstep rollback\` goes back: do one of them at once, or nobody keeps the fence.${ends}`;
    case 'switched':
      return `Every apiserver has moved. \`etcd-lockstep cutover\` lets writes in.${ends}`;
    case 'done':
      return `It is done. After the sign-off \`etcd-lockstep retire\`; back goes \`etcd-lockstep rollback\`.${kube?.frozen ? ' Writes are frozen all the same: `etcd-lockstep cutover` once more says by whom.' : ''}`;
    case 'rolling back':
    case 'switched back':
      return `On the way back: \`etcd-lockstep rollback\` goes on.${ends}`;
    case 'rolled back':
      return 'The source serves again. For a new attempt: `follow --again` takes this target into lockstep again, or says why it needs a new seed.';
    case 'retiring':
      return `The source is being emptied: \`etcd-lockstep retire --yes\` goes on.${ends}`;
    case 'retired':
      return 'It is over: the target serves, and what was moved is off the source. Nothing is left to do.';
  }
}
