/** What is said of an audit while a follower runs. */
import type { AuditOutcome } from './outcome.js';
import { bytes, count, duration } from '../text.js';
import type { Progress } from './progress.js';

const NAMED_IN_ALARM = 5;

export const WRONG_CURSOR =
  "the number of keys, or the checksum, in the target's cursor is not that of its keys";
export const WHAT_NOW =
  'Audit and follow go on. Do not cut over to this target: `etcd-lockstep audit` compares both once more and lists what differs; then seed a new target';

export function alarmText({ differences, stillDifferent }: Progress): string {
  const named = stillDifferent.slice(0, NAMED_IN_ALARM).map(({ found, at, again }) => {
    const { key, kind, fields } = found;
    const what = kind === 'different' ? `differs in ${fields.join(', ')}` : `is ${kind}`;
    return `${JSON.stringify(key)} ${what}, at revision ${at} and still at ${again}`;
  });
  const more = differences > named.length ? '; …' : '';
  return `audit: ${count(differences)} ${keysText(differences)} not the same on both sides, so far: ${named.join('; ')}${more}. ${WHAT_NOW}`;
}

function keysText(n: number): string {
  return n === 1 ? 'key is' : 'keys are';
}

export function overText({ over, differentBefore: [first] }: Progress): string {
  const example = first
    ? `, the first of them ${JSON.stringify(first.found.key)}: different at revision ${first.at}, equal at ${first.again}`
    : '';
  return `audit: ${count(over)} ${keysText(over)} equal now that ${over === 1 ? 'was' : 'were'} not for a while${example}. Who writes to the target, besides follow?`;
}

export function outcomeText({ result, differences }: AuditOutcome, progress: Progress): string {
  const { ranges, source, bytes: read, seconds } = progress;
  const [first, last] = [ranges[0]?.revision ?? 0, ranges.at(-1)?.revision ?? 0];
  const at =
    ranges.length === 1
      ? `at revision ${first}`
      : `key by key, at ${ranges.length} revisions from ${first} to ${last}`;
  const found =
    result === 'equal'
      ? ''
      : `; ${count(differences)} ${differences === 1 ? 'difference' : 'differences'}`;
  return `audited: ${result.toUpperCase()} ${at}: ${count(source.keys)} keys, ${bytes(read)} in ${duration(seconds)}${found}`;
}
