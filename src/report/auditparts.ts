/** What the pages of all audits have. */
import { count, duration } from '../text.js';
import type { ReportPage } from './frame.js';
import { html, type Markup } from './markup.js';
import { dataTable, figures } from './parts.js';

interface Counted {
  equal: boolean;
  source: { keys: number };
  target: { keys: number };
  differences: number;
  seconds: number;
}

interface Summed {
  keys: number;
  checksum: string;
}

export function auditVerdict({ equal }: Counted, sentences: string[]): ReportPage['verdict'] {
  return { good: equal, word: equal ? 'EQUAL' : 'DIFFERENT', sentences };
}

/** @param moment name and value of what says as of when */
export function auditFigures(
  moment: readonly [string, string],
  { source, target, differences, seconds }: Counted,
): Markup {
  return figures([
    moment,
    ['keys, source', count(source.keys)],
    ['keys, target', count(target.keys)],
    ['differences', count(differences)],
    ['took', duration(seconds)],
  ]);
}

export function checksumsTable({
  source,
  target,
  cursor,
}: {
  source: Summed;
  target: Summed;
  cursor: (Summed & { agrees: boolean }) | null;
}): Markup {
  const row = (name: string, { keys, checksum }: Summed, says: string) => [
    ...[name, count(keys), html`<code>${checksum}</code>`, says],
  ];
  const same = source.checksum === target.checksum && source.keys === target.keys;
  const agrees = cursor?.agrees ? 'agrees with the target' : 'DOES NOT AGREE with the target';
  return dataTable(
    [{ name: '' }, { name: 'keys', numbers: true }, { name: 'checksum' }, { name: '' }],
    [
      row('source', source, ''),
      row('target', target, same ? 'same as the source' : 'NOT the same'),
      ...(cursor ? [row('cursor', cursor, agrees)] : []),
    ],
  );
}
