/** etcd-lockstep retire */
import type { Command } from 'commander';
import { BOTH_ACCESS } from '../config/access.js';
import type { RetireReport } from '../cutover/retire.js';
import { bytes, count, fields } from '../text.js';
import { HOOKS, register } from './command.js';
import { withNight } from './night.js';

export function retireCommand(program: Command): void {
  register(program, {
    name: 'retire',
    description:
      'After sign-off: remove what was moved from the source, and our own keys from the target. A dry run without --yes.',
    required: ['endpoints', 'destEndpoints'],
    optional: [
      ...(['kubeconfig', 'apiservers', 'resource', 'watch', 'rate', 'yes'] as const),
      ...HOOKS,
      ...BOTH_ACCESS,
    ],
    help: {
      watch: 'look so long for writes to what was moved on the source before anything is removed',
      yes: 'remove, instead of a dry run',
    },
    example:
      'etcd-lockstep retire --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --kubeconfig admin.conf --apiservers https://10.0.0.1:6443,https://10.0.0.2:6443',
    run: (options, context) =>
      withNight(options, context, async (migration, { apiservers }) => {
        const { signal, print, progress } = context;
        const report = await migration.retire({
          ...{ apiservers, signal },
          resources: options.resource,
          watchSeconds: options.watch,
          rate: options.rate,
          go: () => Promise.resolve(options.yes ?? false),
          onProgress: (text) => {
            progress.show(() => text);
          },
        });
        print({ retire: report }, () => retireText(report, options.rate));
        return 0;
      }),
  });
}

/** The end of a run, for people; docs/ shows it. */
export function retireText(r: RetireReport, rate: number): string {
  const { revisions, cutOver } = r;
  const found: [string, string][] = [
    ['keys', `${count(r.keys)} (${bytes(r.bytes)})`],
    ['checksum', r.checksum],
    ['deleted since', `${count(r.deletedSince)} of these, on the target`],
    ['cut over', `${count(cutOver.keys)} keys, checksum ${cutOver.checksum}`],
  ];
  if (!r.removed)
    return [
      `WOULD REMOVE from the source: ${r.prefixes.join(', ')}`,
      fields(found),
      `Nothing was removed. With --yes it is, ${count(rate)} keys a second.`,
    ].join('\n');
  return [
    `REMOVED from the source: ${r.prefixes.join(', ')}`,
    fields([
      ...found,
      ['by revisions', revisions ? `${revisions.first} to ${revisions.last}` : 'none was needed'],
      ['left', count(r.left)],
    ]),
    'Our own keys are off the target. The source gives the room back after its next compaction, to the disk by `etcdctl defrag`.',
  ].join('\n');
}
