/** The differences, each with what both sides have; a script filters them (filterscript.ts). */
import type { Field } from '../audit/report.js';
import { count } from '../text.js';
import type { FoundDifference, FoundDifferences } from './found.js';
import { html, type Markup, NONE } from './markup.js';
import { section } from './parts.js';

type SideFields = NonNullable<FoundDifference['source']>;

const KINDS: readonly FoundDifference['kind'][] = [
  ...(['different', 'missing on target', 'extra on target'] as const),
];
/** In the order of the columns. */
const FIELDS: readonly { field: Field; of: (side: SideFields) => string }[] = [
  { field: 'mod_revision', of: ({ modRevision }) => String(modRevision) },
  { field: 'create_revision', of: ({ createRevision }) => String(createRevision) },
  { field: 'version', of: ({ version }) => String(version) },
  { field: 'lease', of: ({ lease }) => (lease === '0' ? 'none' : lease) },
  { field: 'value', of: ({ valueBytes }) => `${count(valueBytes)} B` },
];

export function foundSection({ found, listed }: FoundDifferences): Markup {
  if (found === 0) return section('Differences', html`<p>None.</p>`);
  const more = found - listed.length;
  return section(
    'Differences',
    html`<p>
        ${count(found)} in
        all${more === 0 ? '' : `, of which the first ${count(listed.length)} are listed`}. Values
        are compared and never shown: of a value its size is told, and whether it differs.
      </p>
      ${controls()}
      <div class="scroll">
        <table class="found" id="found">
          <thead>
            <tr>
              <th scope="col">side</th>
              ${FIELDS.map(({ field }) => html`<th scope="col" class="n">${field}</th>`)}
            </tr>
          </thead>
          ${listed.map(difference)}
        </table>
      </div>`,
  );
}

function controls(): Markup {
  const option = (value: string) => html`<option>${value}</option>`;
  return html`<div class="search" id="search" role="search" hidden>
    <label>key contains <input type="search" autocomplete="off" /></label>
    <label
      >kind
      <select>
        <option value="">all</option>
        ${KINDS.map(option)}
      </select></label
    >
    <label
      >differs in
      <select>
        <option value="">any field</option>
        ${FIELDS.map(({ field }) => option(field))}
      </select></label
    >
    <output></output>
  </div>`;
}

function difference({ kind, fields, revision, source, target, ...key }: FoundDifference): Markup {
  const what = kind === 'different' ? `differs in ${fields.join(', ')}` : kind;
  const at = revision === null ? '' : ` (event at revision ${revision})`;
  return html`<tbody data-kind="${kind}" data-fields="${fields.join(' ')}">
    <tr>
      <th scope="rowgroup" colspan="${FIELDS.length + 1}">
        <code>${key.key}</code> ${exactKey(key)}<span class="what">${what}${at}</span>
      </th>
    </tr>
    ${side('source', source, fields)}${side('target', target, fields)}
  </tbody> `;
}

function exactKey({ keyBase64 }: Pick<FoundDifference, 'keyBase64'>): Markup {
  return keyBase64 === null ? NONE : html`(no UTF-8; base64 <code>${keyBase64}</code>) `;
}

function side(name: string, row: SideFields | null, fields: readonly Field[]): Markup {
  return html`<tr>
    <th scope="row">${name}</th>
    ${sideCells(row, fields)}
  </tr> `;
}

function sideCells(row: SideFields | null, fields: readonly Field[]): Markup[] {
  // A deletion has a key and nothing else.
  if (!row || row.version === 0)
    return [html`<td colspan="${FIELDS.length}">${row ? 'deleted' : 'not there'}</td>`];
  return FIELDS.map(({ field, of }) => {
    const text = of(row);
    return html`<td class="n">${fields.includes(field) ? html`<mark>${text}</mark>` : text}</td>`;
  });
}
