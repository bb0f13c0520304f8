/** What the page of an audit of a mirror says (`audit --values`). */
import type { ValuesReport } from '../audit/values.js';
import { bytes, count, duration } from '../text.js';
import { auditFigures, auditVerdict } from './auditparts.js';
import type { MirrorFacts } from './auditfacts.js';
import { BLIND, blindSection } from './blind.js';
import { contentsSections } from './contentsparts.js';
import { foundSection } from './foundparts.js';
import type { ReportPage } from './frame.js';
import { html, type Markup } from './markup.js';
import { clustersTable, factsTable, section } from './parts.js';

export function mirrorPage({
  audit,
  source,
  target,
  contents,
  differences,
}: MirrorFacts): ReportPage {
  return {
    kind: 'Integrity audit of a mirror',
    verdict: auditVerdict(audit, sentences(audit)),
    sections: [
      auditFigures(['source read at', String(audit.source.revision)], audit),
      section('Of which etcds', clustersTable(source, target)),
      section('What was compared, and how', comparedTable(audit)),
      contentsSections(contents, audit.foreign > 0 ? 'differences, foreign keys too' : undefined),
      foundSection(differences),
      blindSection([
        `What was written after revision ${audit.source.revision} of the source and ${audit.target.revision} of the target.`,
        'Revisions and versions: a mirror does not keep them. Nor the history, for the same reason.',
        ...BLIND,
      ]),
    ],
  };
}

function sentences({
  equal,
  compared,
  source,
  differences,
  foreign,
  ...audit
}: ValuesReport): string[] {
  const moment = `As the source was at its revision ${source.revision}`;
  const where = `under ${prefixText(audit.prefix)}`;
  const empty = source.keys + audit.target.keys === 0;
  return [
    equal
      ? empty
        ? `${moment}, neither side has a key ${where}.`
        : `${moment}, every key ${where} is the same on both sides in ${compared.join(' and ')}.`
      : `${moment}, the sides are not the same ${where}: ${count(differences)} ${differences === 1 ? 'difference' : 'differences'}.`,
    ...(foreign > 0
      ? [
          `${count(foreign)} keys of the target are foreign, as the mirror has found before; they are listed, and count as no differences.`,
        ]
      : []),
  ];
}

function comparedTable({
  prefix,
  destPrefix,
  compared,
  source,
  target,
  ...audit
}: ValuesReport): Markup {
  return factsTable([
    ['keys', html`all that begin with <code>${prefixText(prefix)}</code>`],
    [
      'on the target',
      html`by names that begin with <code>${prefixText(destPrefix)}</code> in place of that`,
    ],
    ['fields', compared.join(', ')],
    [
      'how',
      `the target was read at its revision ${target.revision}, where the mirror's cursor names the source's revision ${source.revision}; the source was read at that`,
    ],
    ['read', `${bytes(audit.bytes)} from the source, in ${duration(audit.seconds)}`],
  ]);
}

function prefixText(prefix: string): string {
  return prefix === '' ? '(anything)' : prefix;
}
