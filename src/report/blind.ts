/** What an audit cannot see: who signs its report has to know. */
import { html, type Markup } from './markup.js';
import { section } from './parts.js';

/** True of every audit. */
export const BLIND: readonly string[] = [
  'Keys that begin otherwise, on either side.',
  'Users, roles, alarms, quotas and settings of an etcd; how much time a lease has left (which lease a key has is compared).',
  'Whether the members of one etcd agree among themselves: each side is what the member that was asked has answered. etcdctl endpoint hashkv --cluster compares members.',
  'What a value means: values are compared as bytes.',
  'Somebody who forges rows: the checksums (xxh64) guard against accidents.',
];

export function blindSection(lines: readonly string[]): Markup {
  return section(
    'What this cannot see',
    html`<ul>
      ${lines.map((line) => html`<li>${line}</li> `)}
    </ul>`,
  );
}
