/** What the page of an audit says. */
import type { AuditReport } from '../audit/report.js';
import { changesText, type TakenOver } from '../audit/sincetakeover.js';
import { bytes, count, duration } from '../text.js';
import { auditFigures, auditVerdict, checksumsTable } from './auditparts.js';
import type { AuditFacts } from './auditfacts.js';
import { contentsSections } from './contentsparts.js';
import { foundSection } from './foundparts.js';
import type { ReportPage } from './frame.js';
import { html, type Markup } from './markup.js';
import { BLIND, blindSection } from './blind.js';
import { clustersTable, factsTable, section } from './parts.js';

export function auditPage({
  audit,
  source,
  target,
  contents,
  differences,
}: AuditFacts): ReportPage {
  return {
    kind: 'Integrity audit of two etcds in lockstep',
    verdict: auditVerdict(audit, sentences(audit)),
    sections: [
      auditFigures(['revision', String(audit.revision)], audit),
      section('Of which etcds', clustersTable(source, target)),
      section('What was compared, and how', comparedTable(audit)),
      section('Checksums', checksumsTable(audit)),
      contentsSections(contents),
      foundSection(differences),
      blindSection(blindTo(audit)),
    ],
  };
}

function sentences(audit: AuditReport): string[] {
  const { equal, revision, prefixes, differences, cursor, ahead, takenOver, sourceHead } = audit;
  const where = `under ${prefixes.join(', ')}`;
  const moment = takenOver?.exact === revision ? `, when the target was taken over` : '';
  const empty = audit.source.keys + audit.target.keys === 0;
  return [
    equal
      ? empty
        ? `At revision ${revision}${moment} neither side has a key ${where}.`
        : `At revision ${revision}${moment} every key ${where} is the same on both sides, in every field.`
      : `At revision ${revision}${moment} the sides are not the same ${where}: ${count(differences)} ${differences === 1 ? 'difference' : 'differences'}.`,
    ...(cursor?.agrees === false
      ? ["The target's own cursor does not agree with what the target holds."]
      : []),
    ...(ahead
      ? [
          `The target's head ${ahead.target} is above the source's ${ahead.source}: somebody else writes to the target, or the source was restored from a backup.`,
        ]
      : []),
    ...(takenOver ? takenOverSentences(takenOver) : []),
    ...(!takenOver && sourceHead > revision
      ? [
          `The source was at ${sourceHead} by then, ${count(sourceHead - revision)} further; that was not compared.`,
        ]
      : []),
  ];
}

function takenOverSentences({ exact, at, phase, source, target }: TakenOver): string[] {
  return [
    `Up to revision ${exact}, ${at}, the target was the source's copy; then it was taken over (${phase}). Changed since: on the source ${changesText(source)}; on the target ${changesText(target)}.`,
  ];
}

function comparedTable(audit: AuditReport): Markup {
  const { prefixes, revision, sourceHead, history, cursor, seconds } = audit;
  return factsTable([
    ['keys', html`all that begin with <code>${prefixes.join(' ')}</code>`],
    [
      'fields',
      'value, mod_revision, create_revision, version, lease: all that etcd stores of a key',
    ],
    ['how', `both sides were read whole at revision ${revision}, and compared byte by byte`],
    ["source's head", `${sourceHead} when the revision was chosen`],
    [
      'history',
      history
        ? `every event above revision ${history.after} up to ${revision}: ${count(history.events)} on the source, ${count(history.differences)} differences`
        : 'not asked for (--history)',
    ],
    [
      'cursor',
      cursor
        ? `its number of keys and checksum were held against the target's own rows`
        : 'the target has none of these prefixes, so that its own checksum was not checked',
    ],
    ...(cursor?.gap
      ? ([
          [
            'bridged gap',
            `what the target has between revisions ${cursor.gap.after} and ${cursor.gap.to} is not the source's history`,
          ],
        ] as const)
      : []),
    ['read', `${bytes(audit.bytes)} from the source, in ${duration(seconds)}`],
  ]);
}

function blindTo({ revision, history }: AuditReport): string[] {
  return [
    `What was written after revision ${revision}, on either side.`,
    history
      ? `History up to revision ${history.after}: a side has compacted it.`
      : 'History: keys that came and went, and what a key was before. Only the state at the revision was compared; --history compares events.',
    ...BLIND,
  ];
}
