/** etcd-lockstep crop */
import type { Command } from 'commander';
import { crop } from '../base/crop.js';
import type { ResourceSizes } from '../base/resourcesizes.js';
import { slashWarning } from '../source/slash.js';
import { bytes, count, fields, table } from '../text.js';
import { register } from './command.js';
import { HERE, restoreCommands, restoreText } from './restore.js';
import { quoted } from './typed.js';

export function cropCommand(program: Command): void {
  register(program, {
    name: 'crop',
    description: 'Crop a snapshot file to the given prefixes, offline; revisions stay as they are.',
    argument: ['snapshot', 'file from `etcdctl snapshot save`'],
    required: ['prefix', 'out'],
    optional: ['allowEmpty', 'destEndpoints'],
    help: {
      prefix: 'keys to keep, e.g. /registry/pods/',
      destEndpoints:
        'where the target will be, one URL for each member: for the commands that are printed',
    },
    example: 'etcd-lockstep crop backup.db --prefix /registry/pods/ --out base.db',
    run: async (
      { prefix, out, allowEmpty = false, destEndpoints },
      { signal, log, print, progress },
      snapshot,
    ) => {
      const cropped = await crop({
        snapshot,
        prefixes: prefix,
        out,
        allowEmpty,
        signal,
        onBase: ({ keys, bytes: read }) => {
          progress.show(() => `cropping: ${count(keys)} rows, ${bytes(read)}`);
        },
      });
      const { sealed, resources, snapshotBytes, snapshotBytesInUse } = cropped;
      for (const p of prefix.list.filter((p) => !p.endsWith('/'))) {
        const also = resources
          .map((r) => r.resource)
          .filter((r) => r.startsWith(p) && r !== `${p}/`);
        log.warn(slashWarning(p, also));
      }
      const restore = restoreCommands(out, prefix.list, destEndpoints ?? HERE);
      const result = { ...sealed, resources, snapshotBytes, snapshotBytesInUse, restore };
      print(result, () =>
        [
          `${snapshot} held (db size ${bytes(snapshotBytes)}, rows in ${bytes(snapshotBytesInUse)} of it)`,
          resourceTable(resources),
          '',
          `Cropped to ${out}`,
          fields([
            ['head revision', String(sealed.head)],
            ['compact revision', String(sealed.compactRevision)],
            ['keys', `${count(sealed.keys)}  (${count(sealed.rows)} rows with their history)`],
            ['leases', count(sealed.leases)],
            ['base file', bytes(sealed.fileBytes)],
            ['checksum', sealed.checksum],
          ]),
          '',
          `A base cropped from a file can be restored, but not followed into; use seed --from ${quoted(snapshot)} for that.`,
          restoreText(restore, destEndpoints),
        ].join('\n'),
      );
      return 0;
    },
  });
}

function resourceTable(resources: readonly ResourceSizes[]): string {
  const rows = resources.map((r) => [
    r.resource,
    count(r.keys),
    count(r.liveBytes),
    count(r.oldBytes),
  ]);
  return table([['resource', 'keys', 'bytes live', 'bytes of old revisions'], ...rows]);
}
