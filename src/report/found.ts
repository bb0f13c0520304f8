/** The differences of an audit as a report lists them: both sides' fields, never a value. */
import { z } from 'zod';
import type { Difference } from '../audit/report.js';
import type { SideRows } from '../audit/witness.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { hexId } from '../wire/id.js';

const whole = z.number().int().nonnegative();

const sideFields = z
  .strictObject({
    modRevision: whole,
    /** 0 in a deletion, as are version and lease. */
    createRevision: whole,
    version: whole,
    /** Hexadecimal, as etcdctl prints it; 0: none. */
    lease: z.string().regex(/^[0-9a-f]{1,16}$/),
    /** Of the value, in bytes; what it holds is told nowhere, and no hash of it either, which would give short ones away. */
    valueBytes: whole,
  })
  .nullable();

/** The schema of {@link FoundDifference}. */
export const foundDifference = z.strictObject({
  key: z.string(),
  /** Where the key is no UTF-8: its exact bytes; else null. */
  keyBase64: z.base64().nullable(),
  kind: z.enum(['missing on target', 'extra on target', 'different']),
  fields: z.array(z.enum(['value', 'mod_revision', 'create_revision', 'version', 'lease'])),
  /** Of an event: the revision that it happened at; of a key null. */
  revision: whole.nullable(),
  /** Null where that side has it not. */
  source: sideFields,
  target: sideFields,
});

/** The schema of {@link FoundDifferences}. */
export const foundDifferences = z.strictObject({
  /** How many were found. */
  found: whole,
  /** The first of them, in the order in which they were found. */
  listed: z.array(foundDifference),
});

/** One key or event that is not the same, with what each side has of it. */
export type FoundDifference = z.infer<typeof foundDifference>;
/** All that a report says of differences. */
export type FoundDifferences = z.infer<typeof foundDifferences>;

const MAX_LISTED = 10_000;
/** A key may have megabytes. */
const MAX_KEY_BYTES = 4 * 1024 * 1024;

/** Collects the first of them. */
export class Found {
  readonly #listed: FoundDifference[] = [];
  #found = 0;
  #keyBytes = 0;

  add(difference: Difference, rows: SideRows): void {
    this.#found++;
    this.#keyBytes += difference.key.length;
    if (this.#listed.length >= MAX_LISTED || this.#keyBytes > MAX_KEY_BYTES) return;
    this.#listed.push(foundOf(difference, rows));
  }

  get facts(): FoundDifferences {
    return { found: this.#found, listed: this.#listed };
  }
}

export function foundOf(difference: Difference, { source, target }: SideRows): FoundDifference {
  const { key, keyBase64 = null, kind, fields, revision = null } = difference;
  return {
    ...{ key, keyBase64, kind, fields: [...fields], revision },
    source: fieldsOf(source),
    target: fieldsOf(target),
  };
}

function fieldsOf(row: Buffer | undefined): FoundDifference['source'] {
  if (!row) return null;
  const { modRevision, createRevision, version, lease, value } = parseKeyValue(row);
  return { modRevision, createRevision, version, lease: hexId(lease), valueBytes: value.length };
}
