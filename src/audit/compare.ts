/**
 * Two ordered streams of keys, compared in one pass.
 *
 * Rows are compared as bytes, since the KeyValue message holds all that there is to compare; only
 * two that differ are taken apart to say in which field.
 */
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { digest, Tally } from '../mvcc/tally.js';
import type { Page } from '../source/pages.js';
import { sideBySide } from '../source/rows.js';
import { describeKey, type Difference, type Field } from './report.js';
import type { AuditWitness, OnDifference } from './witness.js';

export interface Compared {
  source: Tally;
  target: Tally;
  bytes: number;
}

interface ComparedBy {
  onDifference: OnDifference;
  /** Called for each page of the source. */
  onPage?: () => void;
  witness?: AuditWitness | undefined;
}

/** Adds what it sees to `sum`. */
export async function comparePages(
  source: AsyncIterable<Page>,
  target: AsyncIterable<Page>,
  sum: Compared,
  { onDifference, onPage, witness }: ComparedBy,
): Promise<void> {
  await sideBySide(
    source,
    target,
    (left, right): undefined => {
      const row = left ?? right;
      if (witness && row) witness.key(keyOf(row), { source: left, target: right });
      const difference = differenceOf(left, right);
      if (difference) onDifference(difference, { source: left, target: right });
      count(left, right, sum);
    },
    onPage,
  );
}

/** Of one key, with the row of each side that has it; undefined where they are the same. */
export function differenceOf(
  left: Buffer | undefined,
  right: Buffer | undefined,
): Difference | undefined {
  if (left && right) return left.equals(right) ? undefined : differing(left, right);
  if (left) return only(left, 'missing on target');
  return right && only(right, 'extra on target');
}

function count(left: Buffer | undefined, right: Buffer | undefined, sum: Compared): void {
  if (left) {
    const d = digest(left);
    sum.source.add(d);
    sum.bytes += left.length;
    // Most rows are equal, and their digest need not be computed twice.
    if (right?.equals(left)) sum.target.add(d);
    else if (right) sum.target.add(digest(right));
  } else if (right) sum.target.add(digest(right));
}

function only(row: Buffer, kind: Difference['kind']): Difference {
  return { ...describeKey(keyOf(row)), kind, fields: [] };
}

/** Two rows of one key that are not the same. */
export function differing(left: Buffer, right: Buffer): Difference {
  return {
    ...describeKey(keyOf(left)),
    kind: 'different',
    fields: differingFields(left, right),
  };
}

/** In what they differ. */
export function differingFields(left: Buffer, right: Buffer): Field[] {
  const a = parseKeyValue(left);
  const b = parseKeyValue(right);
  const fields: Field[] = [];
  if (!a.value.equals(b.value)) fields.push('value');
  if (a.modRevision !== b.modRevision) fields.push('mod_revision');
  if (a.createRevision !== b.createRevision) fields.push('create_revision');
  if (a.version !== b.version) fields.push('version');
  if (a.lease !== b.lease) fields.push('lease');
  return fields;
}
