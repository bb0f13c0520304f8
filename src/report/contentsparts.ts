/** What was compared, as plots and as a table: by namespace and resource, by size, by when it was changed. */
import { bytes, count } from '../text.js';
import type { Contents } from './collect.js';
import type { Group } from './groups.js';
import type { Bucket } from './histogram.js';
import { html, NONE, type Markup } from './markup.js';
import { bars, dataTable, keysText, section } from './parts.js';

/** More bars are hard to read; the table has all. */
const MAX_BARS = 12;
const MAX_BUCKETS = 16;

/** @param counted what a group's differences are called */
export function contentsSections(
  { groups, others, valueBytes, revisionsAgo }: Contents,
  counted = 'differences',
): Markup {
  if (groups.length === 0) return NONE;
  const sides = [
    { name: 'keys, source', numbers: true },
    { name: 'keys, target', numbers: true },
  ];
  const rows = groups.map((one) => groupRow(folderText(one), one.namespace ?? '', one));
  const rest = others && [groupRow(`${count(others.groups)} others`, '', others)];
  return html`${section(
    'What the keys are',
    html`<div class="bars">
        ${namespaceBars(groups)}${bars('Sizes of the values, in keys', buckets(valueBytes, sizeText), count)}${bars(
          'When they were changed last: revisions before this one, in keys',
          buckets(revisionsAgo, agoText),
          count,
        )}
      </div>
      <p>
        Of the source's keys. etcd keeps no times, so that when a key was changed can be said in
        revisions only.
      </p>`,
  )}${section(
    'Keys and bytes by resource and namespace',
    dataTable(
      [{ name: 'resource' }, { name: 'namespace' }, ...sides, { name: counted, numbers: true }],
      [...rows, ...(rest ?? [])],
    ),
  )}`;
}

function groupRow(
  folder: string,
  namespace: string,
  { keys, bytes: size, differences }: Pick<Group, 'keys' | 'bytes' | 'differences'>,
): string[] {
  const sides = [keysText(keys.source, size.source), keysText(keys.target, size.target)];
  return [folder, namespace, ...sides, count(differences)];
}

/** `pods`, of `/registry/pods/` */
function folderText({ folder }: Pick<Group, 'folder'>): string {
  if (folder === null) return '(in no folder)';
  return folder.startsWith('/registry/') ? folder.slice('/registry/'.length, -1) : folder;
}

function namespaceBars(groups: readonly Group[]): Markup {
  const sums = new Map<string, { keys: number; size: number }>();
  for (const { namespace, keys, bytes: size } of groups) {
    const name = namespace ?? '(none)';
    const sum = sums.get(name) ?? { keys: 0, size: 0 };
    sums.set(name, { keys: sum.keys + keys.source, size: sum.size + size.source });
  }
  const largest = [...sums].sort(([, a], [, b]) => b.size - a.size).slice(0, MAX_BARS);
  const of = sums.size > MAX_BARS ? ` (the ${MAX_BARS} largest)` : '';
  const rows = (what: 'keys' | 'size') =>
    largest.map(([name, sum]): [string, number] => [name, sum[what]]);
  return html`${bars(`Keys by namespace${of}`, rows('keys'), count)}${bars(`Bytes by namespace${of}`, rows('size'), bytes)}`;
}

function buckets(
  all: readonly Bucket[],
  shown: (bucket: Bucket) => string,
): (readonly [string, number])[] {
  let some = all;
  while (some.length > MAX_BUCKETS) some = coarser(some);
  return some.map((one) => [shown(one), one.keys]);
}

/** Each two that stand beside each other as one. */
function coarser(all: readonly Bucket[]): Bucket[] {
  return all.flatMap((one, i) => {
    if (i % 2 === 1) return [];
    const next = all[i + 1] ?? { to: one.to, keys: 0 };
    return [{ from: one.from, to: next.to, keys: one.keys + next.keys }];
  });
}

function sizeText({ from, to }: Bucket): string {
  if (to === 0) return 'empty';
  return from === to ? bytes(from) : `${bytes(from)} to ${bytes(to + 1)}`;
}

function agoText({ from, to }: Bucket): string {
  return from === to ? count(from) : `${count(from)} to ${count(to)}`;
}
