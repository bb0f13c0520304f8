/** What the page of an audit beside a follower says. */
import { bytes, count, duration } from '../text.js';
import { auditFigures, auditVerdict, checksumsTable } from './auditparts.js';
import type { BesideFacts } from './besidefacts.js';
import { BLIND, blindSection } from './blind.js';
import { foundSection } from './foundparts.js';
import type { ReportPage } from './frame.js';
import { html, type Markup } from './markup.js';
import { clustersTable, dataTable, factsTable, section } from './parts.js';

type Audit = BesideFacts['audit'];

export function besidePage({ audit, source, target, differences, over }: BesideFacts): ReportPage {
  return {
    kind: 'Integrity audit while following',
    verdict: auditVerdict(audit, sentences(audit)),
    sections: [
      auditFigures(
        [audit.ranges.length === 1 ? 'revision' : 'revisions', momentText(audit)],
        audit,
      ),
      section('Of which etcds', clustersTable(source, target)),
      section('What was compared, and how', comparedTable(audit)),
      section('At which revisions', rangesTable(audit)),
      section('Checksums', checksums(audit)),
      foundSection(differences),
      ...(over.length === 0 ? [] : [section('Different for a while', overTable(audit, over))]),
      blindSection(blindTo(audit)),
    ],
  };
}

/** `6182`, `6182 to 7010` */
export function momentText({ ranges }: Pick<Audit, 'ranges'>): string {
  const [first, last] = [ranges[0]?.revision ?? 0, ranges.at(-1)?.revision ?? 0];
  return first === last ? String(first) : `${first} to ${last}`;
}

function sentences(audit: Audit): string[] {
  const { equal, prefixes, ranges, differences, over, cursor } = audit;
  const where = `under ${prefixes.join(', ')}`;
  const each =
    ranges.length === 1
      ? `At revision ${momentText(audit)} every key`
      : `Compared at ${ranges.length} revisions, ${momentText(audit)}, range by range: every key`;
  return [
    equal
      ? `${each} ${where}${over === 0 ? '' : ` but ${count(over)}`} is the same on both sides, in every field.`
      : `The sides are not the same ${where}: ${count(differences)} ${differences === 1 ? 'difference' : 'differences'}.`,
    ...(cursor?.agrees === false
      ? ["The target's own cursor does not agree with what the target holds."]
      : []),
    ...(over === 0
      ? []
      : [
          `${count(over)} ${over === 1 ? 'key was' : 'keys were'} different for a while, and equal when looked at once more.`,
        ]),
  ];
}

function comparedTable(audit: Audit): Markup {
  const { prefixes, cursor, bytesPerSecond, seconds } = audit;
  return factsTable([
    ['keys', html`all that begin with <code>${prefixes.join(' ')}</code>`],
    [
      'fields',
      'value, mod_revision, create_revision, version, lease: all that etcd stores of a key',
    ],
    [
      'how',
      'page by page in the order of keys, both sides at one revision, byte by byte; what differed was read once more on both sides, at a newer one',
    ],
    ['history', 'not compared while following (audit --history does)'],
    [
      'cursor',
      cursor
        ? "its number of keys and checksum were held against the target's own rows"
        : 'not held against the rows: it speaks of all keys at one revision',
    ],
    [
      'read',
      `${bytes(audit.bytes)} from the source in ${duration(seconds)}, ${bytes(Math.round(bytesPerSecond))} a second at most`,
    ],
  ]);
}

function rangesTable({ ranges }: Audit): Markup {
  return html`<p>
      Each range goes up to the next one's first key. A source forgets its history while it is read
      slowly; then what is left is read at a newer revision.
    </p>
    ${dataTable(
      [{ name: 'from key' }, { name: 'at revision', numbers: true }],
      ranges.map(({ from, fromBase64, revision }) => [
        html`<code>${from}</code>${fromBase64 === null ? '' : ` (base64 ${fromBase64})`}`,
        String(revision),
      ]),
    )}`;
}

function checksums(audit: Audit): Markup {
  const table = checksumsTable(audit);
  if (audit.ranges.length === 1) return table;
  return html`<p>Of keys that were read at several revisions: no other audit has the same ones.</p>
    ${table}`;
}

function overTable({ over }: Audit, listed: BesideFacts['over']): Markup {
  return html`<p>${count(over)} in all. Somebody, or something, has changed them back.</p>
    ${dataTable(
      [
        { name: 'key' },
        { name: 'was' },
        { name: 'different at', numbers: true },
        { name: 'equal at', numbers: true },
      ],
      listed.map(({ found: { key, kind, fields }, at, again }) => [
        html`<code>${key}</code>`,
        kind === 'different' ? `different in ${fields.join(', ')}` : kind,
        String(at),
        String(again),
      ]),
    )}`;
}

function blindTo(audit: Audit): string[] {
  return [
    'What was written to a range after the revision at which it was compared, on either side: the next audit sees it.',
    ...(audit.ranges.length === 1
      ? []
      : [
          'Whether all keys were the same at one moment: each range was, at its own. etcd-lockstep audit compares all at one revision.',
        ]),
    'History: keys that came and went, and what a key was before.',
    ...BLIND,
  ];
}
