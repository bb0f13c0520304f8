/** etcd-lockstep status */
import type { Command } from 'commander';
import { BOTH_ACCESS, sourceConnection, targetConnection } from '../config/access.js';
import type { Options } from '../config/options.js';
import { kubeStatus, type KubeStatus } from '../cutover/kubestatus.js';
import { askHeads, servingText } from '../cutover/serving.js';
import { withKube } from '../kube/config.js';
import { parseResource, PODS } from '../kube/resource.js';
import { targetStatus, type TargetStatus } from '../lockstep/status.js';
import { PrefixSet, probeKey } from '../mvcc/prefix.js';
import { count, fields } from '../status/format.js';
import { EtcdClient } from '../wire/client.js';
import { register } from './command.js';
import { nextStep } from './nextstep.js';

export function statusCommand(program: Command): void {
  register(program, {
    name: 'status',
    description:
      'Say what the target holds, how far it is behind, how far a cutover is and whose, and what to do next.',
    required: ['destEndpoints'],
    optional: ['endpoints', 'kubeconfig', 'apiservers', ...BOTH_ACCESS],
    example:
      'etcd-lockstep status --dest-endpoints http://10.0.1.1:2379 --endpoints http://10.0.0.1:2379 --kubeconfig admin.conf',
    run: async (options, { print, signal }) => {
      const { endpoints } = options;
      const at = endpoints && (await sourceConnection({ ...options, endpoints }));
      const target = new EtcdClient(await targetConnection(options), 'target').closeAt(signal);
      const source = at && new EtcdClient(at, 'source').closeAt(signal);
      try {
        const status = await targetStatus(target, source);
        const kubernetes = await inKubernetes(options, status, source, target);
        // What was given up for it is not an answer.
        signal.throwIfAborted();
        const next = nextStep(status, kubernetes);
        print({ ...status, kubernetes, next }, () => statusText(status, kubernetes, next));
      } finally {
        target.close();
        source?.close();
      }
      return 0;
    },
  });
}

/** Null where no kubeconfig is given. */
async function inKubernetes(
  { kubeconfig, apiservers }: Partial<Pick<Options, 'kubeconfig' | 'apiservers'>>,
  { cursor, cutover }: TargetStatus,
  source: EtcdClient | undefined,
  target: EtcdClient,
): Promise<KubeStatus | null> {
  if (kubeconfig === undefined && apiservers === undefined) return null;
  const prefixes = cutover?.prefixes ?? cursor?.prefixes;
  const key = prefixes && probeKey(PrefixSet.of(prefixes));
  const heads = source && key ? () => askHeads(source, target, key) : undefined;
  const named = (cutover?.resources ?? []).map(parseResource).filter((one) => one !== undefined);
  return withKube(kubeconfig, apiservers, (apis) =>
    kubeStatus(apis, named.length > 0 ? named : [PODS], heads),
  );
}

/** After a cutover it is the target that is ahead. */
function aheadText(revisions: number): string {
  return revisions < 0 ? `${count(-revisions)} behind the target` : `${count(revisions)} ahead`;
}

function gapRow(gap: (TargetStatus['cursor'] & object)['gap']): [string, string][] {
  if (!gap) return [];
  const { after, to } = gap;
  return [
    [
      'bridged gap',
      `revisions ${count(after + 1)} to ${count(to)}: exact at its end, not in between`,
    ],
  ];
}

function statusText(status: TargetStatus, kube: KubeStatus | null, next: string): string {
  const { position, sourceHead, lagRevisions } = status;
  const rows: [string, string][] = [
    ['target', stateText(status)],
    ['position', count(position)],
    [
      'source head',
      sourceHead === null
        ? 'not asked (give --endpoints)'
        : `${count(sourceHead)}  (${aheadText(lagRevisions ?? 0)})`,
    ],
    ...cursorRows(status),
    ...nightRows(status),
    ...kubeRows(kube),
  ];
  return `${fields(rows)}\n  Next: ${next}`;
}

function stateText({ kind, cutover, trouble }: TargetStatus): string {
  if (cutover) return `CUT OVER (${cutover.phase})`;
  if (kind !== 'lockstep') return kind === 'foreign' ? "somebody else's" : kind;
  return trouble
    ? `TROUBLE: ${trouble.message} [${trouble.code}]`
    : 'in lockstep, may be followed into';
}

function cursorRows({ cursor }: TargetStatus): [string, string][] {
  if (!cursor) return [];
  return [
    ['source cluster', cursor.source ?? 'unknown: cropped from a file'],
    ['prefixes', cursor.prefixes.join(', ')],
    ['keys', count(cursor.keys)],
    ['checksum', cursor.checksum],
    ['last data at', `revision ${count(cursor.revision)}, ${cursor.at}`],
    ['last follower', cursor.follower ?? 'none yet'],
    ...gapRow(cursor.gap),
  ];
}

function nightRows({ cutover, lagRevisions }: TargetStatus): [string, string][] {
  if (!cutover) return [];
  const { phase, exact, resources, owner } = cutover;
  const fenced = phase === 'fenced' && lagRevisions !== null;
  return [
    ['exact copy up to', `revision ${count(exact)}`],
    ['moved', resources.length > 0 ? resources.join(', ') : 'not known to Kubernetes'],
    ['whose night', owner ?? 'nobody has it'],
    ...(fenced ? [['fence', fenceText(-lagRevisions)] satisfies [string, string]] : []),
  ];
}

function fenceText(ahead: number): string {
  return ahead > 0 ? `the target's head is ${count(ahead)} ahead` : 'OVERTAKEN: see the runbook';
}

function kubeRows(kube: KubeStatus | null): [string, string][] {
  if (!kube) return [['frozen', 'not known (give --kubeconfig)']];
  const { frozen, apiservers } = kube;
  const by = frozen?.by ?? 'somebody, by hand';
  return [
    ['frozen', frozen ? `since ${frozen.since}, by ${by}` : 'no'],
    ...apiservers.map((one): [string, string] => [one.apiserver, servingText(one)]),
  ];
}
