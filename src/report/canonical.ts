/**
 * JSON in one form alone, as RFC 8785 (JCS) has it: no blanks, names in the order of their UTF-16 code
 * units, numbers and strings as ECMAScript writes them. So the same facts are the same bytes, whoever
 * writes them, and a hash over them can be made again with other tools: `jq -cjS .facts FILE | sha256sum`.
 */
import { createHash } from 'node:crypto';

/** What JSON can say. Infinity and NaN it cannot; facts are checked against a schema that has neither. */
export type Json =
  string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

export function canonical(value: Json): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (isList(value)) return `[${value.map(canonical).join(',')}]`;
  const members = Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`);
  return `{${members.join(',')}}`;
}

function isList(
  value: readonly Json[] | { readonly [name: string]: Json },
): value is readonly Json[] {
  return Array.isArray(value);
}

/** 64 hexadecimal digits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
