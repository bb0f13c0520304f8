/** Parts that pages are put together from. */
import { bytes, count } from '../text.js';
import type { ClusterFacts } from './clusters.js';
import { html, Markup, NONE } from './markup.js';

export function section(heading: string, body: Markup): Markup {
  return html`<section>
    <h2>${heading}</h2>
    ${body}
  </section> `;
}

/** Names and what belongs to them. */
export function factsTable(rows: readonly (readonly [string, string | Markup])[]): Markup {
  return html`<table class="facts">
    <tbody>
      ${rows.map(
        ([name, value]) =>
          html`<tr>
            <th scope="row">${name}</th>
            <td>${value}</td>
          </tr> `,
      )}
    </tbody>
  </table>`;
}

/** The few numbers that matter most. */
export function figures(rows: readonly (readonly [string, string])[]): Markup {
  return html`<dl class="figures">
    ${rows.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div> `,
    )}
  </dl> `;
}

/** A table with a header row that is there again on each page of paper; cells of numbers to the right. */
export function dataTable(
  columns: readonly { name: string; numbers?: boolean }[],
  rows: readonly (readonly (string | Markup)[])[],
): Markup {
  const classOf = (i: number) => (columns[i]?.numbers ? new Markup(' class="n"') : NONE);
  const cell = (value: string | Markup, i: number) =>
    i === 0 ? html`<th scope="row">${value}</th>` : html`<td${classOf(i)}>${value}</td>`;
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${columns.map(({ name }, i) => html`<th scope="col" ${classOf(i)}>${name}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map(cell)}
            </tr> `,
        )}
      </tbody>
    </table>
  </div>`;
}

/** A bar and its number in each row, drawn to the largest of them. */
export function bars(
  caption: string,
  rows: readonly (readonly [string, number])[],
  shown: (n: number) => string,
): Markup {
  const largest = Math.max(1, ...rows.map(([, n]) => n));
  return html`<div>
    <h3>${caption}</h3>
    <table>
      <tbody>
        ${rows.map(
          ([name, n]) =>
            html`<tr>
              <th scope="row">${name}</th>
              <td class="b">${bar(n / largest)}</td>
              <td class="n">${shown(n)}</td>
            </tr> `,
        )}
      </tbody>
    </table>
  </div> `;
}

/** @param share of the whole width; what is not nothing can be seen */
function bar(share: number): Markup {
  const width = share === 0 ? 0 : Math.max(0.6, Math.round(share * 1000) / 10);
  return html`<svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
    <rect width="${width}" height="8" />
  </svg>`;
}

/**
 * Both etcds, side by side.
 * @param source null: it could not be asked; so may be `target`
 */
export function clustersTable(source: ClusterFacts | null, target: ClusterFacts | null): Markup {
  const row = (name: string, of: (side: ClusterFacts) => string | Markup) => [
    ...[name, source ? of(source) : DID_NOT_ANSWER, target ? of(target) : DID_NOT_ANSWER],
  ];
  return dataTable(
    [{ name: '' }, { name: 'source' }, { name: 'target' }],
    [
      row('cluster id', ({ cluster }) => html`<code>${cluster}</code>`),
      row('etcd', ({ version }) => version),
      row('head when this was made', ({ head }) => String(head ?? 'not known')),
      row('members', membersText),
    ],
  );
}

const DID_NOT_ANSWER = 'did not answer';

function membersText({ members, membersUnknown }: ClusterFacts): string | Markup {
  if (membersUnknown !== null) return `not known: ${membersUnknown}`;
  return html`${members.map(
    ({ id, name, clientUrls, version }) =>
      html`<div>
        ${name === '' ? '(no name)' : name} <code>${id}</code>,
        ${version === null ? 'not asked' : `etcd ${version}`}<br /><code
          >${clientUrls.join(' ')}</code
        >
      </div>`,
  )}`;
}

/** `2026-11-29 13:19:20 +01:00`, of a time with its offset. */
export function timeText(iso: string): string {
  const [, day = '', time = '', offset = ''] =
    /^(\S{10})T(\d\d:\d\d:\d\d)(?:\.\d+)?(.*)$/.exec(iso) ?? [];
  return `${day} ${time} ${offset === 'Z' ? 'UTC' : offset}`;
}

/** `2,213 (1.4 MiB)` */
export function keysText(keys: number, size: number): string {
  return `${count(keys)} (${bytes(size)})`;
}
