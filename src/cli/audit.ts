/** etcd-lockstep audit */
import type { Command } from 'commander';
import type { Ahead } from '../audit/ahead.js';
import { audit } from '../audit/audit.js';
import type { AuditReport, Difference } from '../audit/report.js';
import { changesText, type TakenOver } from '../audit/sincetakeover.js';
import { BOTH_ACCESS } from '../config/access.js';
import { keyMap } from '../config/keymap.js';
import type { Options } from '../config/options.js';
import { CURSOR_KEY, parseCursor } from '../cursor.js';
import { badArgument } from '../errors.js';
import type { Gap } from '../journal/state.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { PrefixSet } from '../mvcc/prefix.js';
import { bytes, count, duration, table } from '../status/format.js';
import { Rate } from '../status/progress.js';
import type { EtcdClient } from '../wire/client.js';
import { EXIT_DIFFERENT, register } from './command.js';
import { withSides, type Sides } from './sides.js';
import { runValues, valuesText } from './values.js';

/** Differences that are listed as text; in JSON there are all. */
const MAX_LISTED = 100;

export function auditCommand(program: Command): void {
  register(program, {
    name: 'audit',
    description: 'Compare source and target key by key at one revision, while both are live.',
    required: ['endpoints', 'destEndpoints'],
    optional: [
      ...([
        'prefix',
        'revision',
        'history',
        'values',
        'destPrefix',
        'noDestPrefix',
        'allowEmpty',
      ] as const),
      ...BOTH_ACCESS,
    ],
    example:
      'etcd-lockstep audit --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --history',
    run: async (options, context) => {
      const { json, log, print, progress, signal } = context;
      const { allowEmpty = false } = options;
      const map = options.values ? keyMap(options) : undefined;
      if (!map) refuseMirrorFlags(options);
      if (map && (options.revision !== undefined || options.history))
        throw badArgument(
          '--values goes with neither --revision nor --history',
          "Leave them out: the mirror's cursor names the revisions, and its history is its own.",
        );
      const rate = new Rate();
      let listed = 0;
      const onDifference = (difference: Difference) => {
        if (json || listed++ < MAX_LISTED) print({ difference }, () => differenceLine(difference));
      };
      const use = async ({ source, target }: Sides) => {
        if (map) {
          const report = await runValues(
            { source, target, map, allowEmpty, onDifference },
            context,
          );
          print({ report }, () => [...unlisted(report), valuesText(report, map)].join('\n'));
          return report.equal ? 0 : EXIT_DIFFERENT;
        }
        const report = await audit({
          source,
          target,
          prefixes: options.prefix ?? (await cursorPrefixes(target)),
          ...(options.revision === undefined ? {} : { revision: options.revision }),
          history: options.history ?? false,
          allowEmpty,
          onDifference,
          onProgress: (keys, total, read) => {
            progress.show(
              () => `comparing: ${count(keys)} of ${count(total)} keys; ${bytes(rate.per(read))}/s`,
            );
          },
          onNote: (note) => {
            log.info(note);
          },
          signal,
        });
        print({ report }, () => auditText(report));
        return report.equal ? 0 : EXIT_DIFFERENT;
      };
      return withSides(options, use, map && !map.overlaps);
    },
  });
}

/** @throws LockstepError BAD_ARGUMENT for flags of an audit of a mirror */
function refuseMirrorFlags({
  destPrefix,
  noDestPrefix,
}: Partial<Pick<Options, 'destPrefix' | 'noDestPrefix'>>): void {
  if (destPrefix === undefined && !noDestPrefix) return;
  throw badArgument(
    '--dest-prefix and --no-dest-prefix go with --values',
    'In lockstep keys keep their names; only a mirror can give them others.',
  );
}

/** @throws LockstepError BAD_ARGUMENT where the target has no cursor */
async function cursorPrefixes(target: EtcdClient): Promise<PrefixSet> {
  const { rows } = await target.few({ key: CURSOR_KEY });
  if (rows[0]) return PrefixSet.of(parseCursor(parseKeyValue(rows[0]).value).prefixes);
  throw badArgument(
    '--prefix missing, and the target has no cursor that names the prefixes',
    'Check --dest-endpoints; or add --prefix …. A plain mirror is audited with --values.',
  );
}

function unlisted({ differences }: { differences: number }): string[] {
  const more = differences - MAX_LISTED;
  return more > 0 ? [`… and ${count(more)} more; -w json lists all`] : [];
}

function differenceLine({ key, kind, fields, revision }: Difference): string {
  const at = revision === undefined ? '' : ` at revision ${count(revision)}`;
  return `${kind === 'different' ? `different (${fields.join(', ')})` : kind}${at}: ${JSON.stringify(key)}`;
}

function gapText({ after, to }: Gap): string {
  return `  a gap in the source's history was bridged: what the target has between revisions ${count(after)} and ${count(to)} is not the source's`;
}

/** Without it EQUAL of a target that nobody follows any more would be read as of now. */
function behindText({ revision, sourceHead, takenOver }: AuditReport): string[] {
  if (takenOver || sourceHead <= revision) return [];
  return [
    `  compared as of revision ${revision}; the source was at ${sourceHead} by then, ${sourceHead - revision} further`,
  ];
}

function aheadText({ source, target }: Ahead): string {
  return `  the target's head ${count(target)} is above the source's ${count(source)}: somebody else writes to the target, or the source was restored from a backup`;
}

/** Without it EQUAL would be read as of now. */
function momentText({ revision, takenOver }: AuditReport): string {
  return takenOver?.exact === revision ? `, when the target was taken over (${takenOver.at})` : '';
}

function takenOverText({ exact, at, phase, source, target }: TakenOver): string {
  return [
    `  up to revision ${exact}, ${at}, the target was the source's copy; then it was taken over (${phase}). Changed since:`,
    `    on the source: ${changesText(source)}`,
    `    on the target: ${changesText(target)}`,
  ].join('\n');
}

/** The end of a run, for people; docs/ shows it. */
export function auditText(r: AuditReport): string {
  return [
    ...unlisted(r),
    `${r.equal ? 'EQUAL' : 'DIFFERENT'} at revision ${count(r.revision)}${momentText(r)}: ${r.prefixes.join(', ')}`,
    table([
      ['', 'keys', 'checksum', 'cluster', 'etcd'],
      ['source', count(r.source.keys), r.source.checksum, r.source.cluster, r.source.version],
      ['target', count(r.target.keys), r.target.checksum, r.target.cluster, r.target.version],
      ...(r.cursor
        ? [
            [
              'cursor',
              count(r.cursor.keys),
              r.cursor.checksum,
              r.cursor.agrees ? 'agrees with the target' : 'DOES NOT AGREE with the target',
              '',
            ],
          ]
        : []),
    ]),
    r.cursor
      ? ''
      : '  (no cursor of these prefixes on the target: its own checksum was not checked;\n  a plain mirror is audited with --values)\n',
    ...behindText(r),
    ...(r.ahead ? [aheadText(r.ahead)] : []),
    ...(r.takenOver ? [takenOverText(r.takenOver)] : []),
    ...(r.cursor?.gap ? [gapText(r.cursor.gap)] : []),
    `${count(r.differences)} differences${r.history ? `; ${count(r.history.events)} events above revision ${count(r.history.after)} compared too` : ''}; ${bytes(r.bytes)} in ${duration(r.seconds)}`,
  ].join('\n');
}
