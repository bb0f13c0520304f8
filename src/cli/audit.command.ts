/** etcd-lockstep audit */
import type { Command } from 'commander';
import type { Ahead, AuditReport, Difference } from '../audit/report.js';
import { changesText, type TakenOver } from '../audit/sincetakeover.js';
import type { OnDifference } from '../audit/witness.js';
import type { ValuesReport } from '../audit/values.js';
import { BOTH_ACCESS } from '../config/access.js';
import { keyMap } from '../config/keymapoptions.js';
import type { Given } from '../config/parse.js';
import { badArgument } from '../errors.js';
import type { Gap } from '../journal/state.js';
import { Rate } from '../rate.js';
import { Collector } from '../report/collect.js';
import { bytes, count, duration, table } from '../text.js';
import { EXIT_DIFFERENT, register } from './command.js';
import { collectLessOften } from './garbage.js';
import { withMigration, withMirror } from './opened.js';
import { Reports } from './reports.js';
import { valuesText } from './valuestext.js';
import { verifyCommand } from './verify.command.js';

/** Differences that are listed as text; in JSON there are all. */
const MAX_LISTED = 100;

export function auditCommand(program: Command): void {
  const audit = register(program, {
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
        'report',
      ] as const),
      ...BOTH_ACCESS,
    ],
    help: {
      prefix: "keys to compare (default: what the target's cursor names; with --values: all)",
      destPrefix: 'with --values: as the mirror was given it',
      noDestPrefix: 'with --values: as the mirror was given it',
      allowEmpty: 'that nothing is there to be compared is no error',
    },
    example:
      'etcd-lockstep audit --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --history',
    run: async (options, context) => {
      const { json, print, progress, signal } = context;
      const { allowEmpty = false } = options;
      const map = options.values ? keyMap(options) : undefined;
      if (!map) refuseMirrorFlags(options);
      if (map && (options.revision !== undefined || options.history))
        throw badArgument(
          '--values goes with neither --revision nor --history',
          "Leave them out: the mirror's cursor names the revisions, and its history is its own.",
        );
      collectLessOften();
      const reports = new Reports('audit', options.report, undefined, options.fromFile);
      const collector = reports.wanted ? new Collector() : undefined;
      const rate = new Rate();
      let listed = 0;
      const onDifference: OnDifference = (difference, rows) => {
        if (json || listed++ < MAX_LISTED) print({ difference }, () => differenceLine(difference));
        collector?.difference(difference, rows);
      };
      const onProgress = (keys: number, total: number, read: number) => {
        progress.show(
          () => `comparing: ${count(keys)} of ${count(total)} keys; ${bytes(rate.per(read))}/s`,
        );
      };
      const witness = collector ? { witness: collector } : {};
      const shared = { allowEmpty, onDifference, onProgress, signal, ...witness };
      const end = (report: AuditReport | ValuesReport, text: () => string) => {
        print({ report, ...reports.listed }, () => [text(), ...reports.lines].join('\n'));
        return reports.end(report.equal ? 0 : EXIT_DIFFERENT, context);
      };
      if (map)
        return withMirror(options, map, context, async (mirror) => {
          const report = await mirror.audit(shared);
          if (collector)
            reports.write({
              format: 'etcd-lockstep/mirror-report/1',
              ...{ made: reports.made, audit: report, ...collector.facts },
              ...(await mirror.clusters(report, signal)),
            });
          return end(report, () => [...unlisted(report), valuesText(report, map)].join('\n'));
        });
      const { prefix, revision, history = false } = options;
      return withMigration(options, context, async (migration) => {
        const report = await migration.audit({
          ...{ ...shared, history },
          ...(prefix === undefined ? {} : { prefixes: prefix }),
          ...(revision === undefined ? {} : { revision }),
        });
        if (collector)
          reports.write({
            format: 'etcd-lockstep/audit-report/1',
            ...{ made: reports.made, audit: report, ...collector.facts },
            ...(await migration.clusters(report, signal)),
          });
        return end(report, () => auditText(report));
      });
    },
  });
  verifyCommand(audit);
}

/**
 * A config file's are for the mirror.
 * @throws LockstepError BAD_ARGUMENT for flags of an audit of a mirror
 */
function refuseMirrorFlags(options: Given<never, 'destPrefix' | 'noDestPrefix'>): void {
  const given = (['destPrefix', 'noDestPrefix'] as const).filter(
    (name) => options[name] && !options.fromFile?.names.has(name),
  );
  if (given.length === 0) return;
  throw badArgument(
    '--dest-prefix and --no-dest-prefix go with --values',
    'In lockstep keys keep their names; only a mirror can give them others.',
  );
}

function unlisted({ differences }: { differences: number }): string[] {
  const more = differences - MAX_LISTED;
  return more > 0 ? [`… and ${count(more)} more; -w json lists all`] : [];
}

function differenceLine({ key, kind, fields, revision }: Difference): string {
  const at = revision === undefined ? '' : ` at revision ${revision}`;
  return `${kind === 'different' ? `different (${fields.join(', ')})` : kind}${at}: ${JSON.stringify(key)}`;
}

function gapText({ after, to }: Gap): string {
  return `  a gap in the source's history was bridged: what the target has between revisions ${after} and ${to} is not the source's`;
}

/** Without it EQUAL of a target that nobody follows any more would be read as of now. */
function behindText({ revision, sourceHead, takenOver }: AuditReport): string[] {
  if (takenOver || sourceHead <= revision) return [];
  return [
    `  compared as of revision ${revision}; the source was at ${sourceHead} by then, ${sourceHead - revision} further`,
  ];
}

function aheadText({ source, target }: Ahead): string {
  return `  the target's head ${target} is above the source's ${source}: somebody else writes to the target, or the source was restored from a backup`;
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
    `${r.equal ? 'EQUAL' : 'DIFFERENT'} at revision ${r.revision}${momentText(r)}: ${r.prefixes.join(', ')}`,
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
    `${count(r.differences)} differences${r.history ? `; ${count(r.history.events)} events above revision ${r.history.after} compared too` : ''}; ${bytes(r.bytes)} in ${duration(r.seconds)}`,
  ].join('\n');
}
