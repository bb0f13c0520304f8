/** etcd-lockstep status */
import type { Command } from 'commander';
import { BOTH_ACCESS, sourceConnection, targetConnection } from '../config/access.js';
import { count, fields } from '../status/format.js';
import { targetStatus, type TargetStatus } from '../lockstep/status.js';
import { EtcdClient } from '../wire/client.js';
import { register } from './command.js';

export function statusCommand(program: Command): void {
  register(program, {
    name: 'status',
    description: 'Say what the target holds and how far it is behind.',
    required: ['destEndpoints'],
    optional: ['endpoints', ...BOTH_ACCESS],
    example:
      'etcd-lockstep status --dest-endpoints http://10.0.1.1:2379 --endpoints http://10.0.0.1:2379',
    run: async (options, { print }) => {
      const { endpoints } = options;
      const at = endpoints && (await sourceConnection({ ...options, endpoints }));
      const target = new EtcdClient(await targetConnection(options), 'target');
      const source = at && new EtcdClient(at, 'source');
      try {
        const status = await targetStatus(target, source);
        print(status, () => statusText(status));
      } finally {
        target.close();
        source?.close();
      }
      return 0;
    },
  });
}

/** After a cutover it is the target that is ahead. */
function aheadText(revisions: number): string {
  return revisions < 0 ? `${count(-revisions)} behind the target` : `${count(revisions)} ahead`;
}

function gapRow(gap: TargetStatus['cursor']['gap']): [string, string][] {
  if (!gap) return [];
  const { after, to } = gap;
  return [
    [
      'bridged gap',
      `revisions ${count(after + 1)} to ${count(to)}: exact at its end, not in between`,
    ],
  ];
}

function statusText(status: TargetStatus): string {
  const { cursor, cutover, position, trouble, sourceHead, lagRevisions } = status;
  const rows: [string, string][] = [
    ['position', count(position)],
    [
      'source head',
      sourceHead === null
        ? 'not asked (give --endpoints)'
        : `${count(sourceHead)}  (${aheadText(lagRevisions ?? 0)})`,
    ],
    ['source cluster', cursor.source ?? 'unknown: cropped from a file'],
    ['prefixes', cursor.prefixes.join(', ')],
    ['keys', count(cursor.keys)],
    ['checksum', cursor.checksum],
    ['last data at', `revision ${count(cursor.revision)}, ${cursor.at}`],
    ['last follower', cursor.follower ?? 'none yet'],
    ...gapRow(cursor.gap),
  ];
  if (cutover)
    return `${fields(rows)}\n  CUT OVER (${cutover.phase}): a copy of the source up to revision ${count(cutover.exact)}; the follower has done its work.`;
  if (!trouble) return `${fields(rows)}\n  The target may be followed into.`;
  return `${fields(rows)}\n  TROUBLE: ${trouble.message} [${trouble.code}]\n  Try: ${trouble.hint ?? ''}`;
}
