/** What `audit --values`, the audit of a mirror, says. */
import type { ValuesReport } from '../audit/values.js';
import type { KeyMap } from '../mirror/keymap.js';
import { bytes, count, duration, table } from '../text.js';

export function valuesText(r: ValuesReport, map: KeyMap): string {
  const row = (name: string, side: ValuesReport['source']) => [
    ...[name, count(side.keys), String(side.revision), side.cluster, side.version],
  ];
  return [
    `${r.equal ? 'EQUAL' : 'DIFFERENT'} in ${r.compared.join(' and ')}: ${map.toString()}`,
    table([
      ['', 'keys', 'read at revision', 'cluster', 'etcd'],
      row('source', r.source),
      row('target', r.target),
    ]),
    r.wayBack
      ? `  ${count(r.wayBack.unchanged)} keys are as they were at the cutover, revisions too; ${count(r.wayBack.changed)} were changed since: each has to lie above its revision on the target, and versions were not compared`
      : '  (a mirror does not keep revisions and versions; they were not compared)',
    ...(r.foreign > 0
      ? [`  ${count(r.foreign)} keys of the target are foreign, as the mirror has found before`]
      : []),
    `${count(r.differences)} differences; ${bytes(r.bytes)} in ${duration(r.seconds)}`,
  ].join('\n');
}
