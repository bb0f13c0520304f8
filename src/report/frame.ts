/**
 * The page around what a report says: head, verdict, who made it, where to sign, and the JSON inside.
 *
 * It needs nothing from anywhere, and its content security policy lets nothing in: no address at all, the
 * one style and the one script by their hashes. So it is the same in ten years, and on a machine without
 * a network.
 */
import { createHash } from 'node:crypto';
import { FILTER_SCRIPT } from './filterscript.js';
import type { MadeBy } from './madeby.js';
import { html, inScript, Markup } from './markup.js';
import { factsTable, section, timeText } from './parts.js';
import { REPORT_CSS } from './reportcss.js';

/** What one kind of report puts on its page. */
export interface ReportPage {
  /** Of which kind it is: `Integrity audit`. */
  kind: string;
  /** First of all: one word, and what it means here. */
  verdict: { good: boolean; word: string; sentences: readonly string[] };
  /** Behind the verdict, in their order. */
  sections: readonly Markup[];
}

interface Around {
  made: MadeBy;
  format: string;
  /** The JSON document, with its hash. */
  json: string;
}

/** What stands before the JSON in the page, and behind it; verify.ts looks for both. */
export const JSON_BEGINS = '<script type="application/json" id="report">';
export const JSON_ENDS = '</script>';

const STYLE = new Markup(`<style>${REPORT_CSS}</style>`);
const SCRIPT = new Markup(`<script>${FILTER_SCRIPT}</script>`);

const POLICY = [
  "default-src 'none'",
  `style-src '${hashOf(REPORT_CSS)}'`,
  `script-src '${hashOf(FILTER_SCRIPT)}'`,
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

export function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

/** As it stands in the JSON: 64 digits. */
function hashIn(json: string): string {
  return /[0-9a-f]{64}/.exec(json)?.[0] ?? '';
}

/** The whole page. */
export function framed({ kind, verdict, sections }: ReportPage, around: Around): Markup {
  const { made, json } = around;
  const { good, word, sentences } = verdict;
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${word} – ${kind}, ${timeText(made.started)}</title>
        <link rel="icon" href="data:," />
        ${STYLE}
      </head>
      <body>
        <header>
          <h1>${kind}</h1>
          <p>${timeText(made.started)} (${made.timeZone}), by etcd-lockstep ${made.version}</p>
        </header>
        <main>
          <div class="verdict ${good ? 'good' : 'bad'}">
            <strong>${word}</strong>
            ${sentences.map((one) => html`<p>${one}</p> `)}
          </div>
          ${sections}${madeSection(made)}${wholeSection(around)}
        </main>
        ${new Markup(JSON_BEGINS)}${inScript(json.trimEnd())}${new Markup(JSON_ENDS)} ${SCRIPT}
      </body>
    </html> `;
}

function madeSection(made: MadeBy): Markup {
  const { environment, timeZone } = made;
  return section(
    'Who made it, and how',
    factsTable([
      ['by', `etcd-lockstep ${made.version} on Node ${made.node}`],
      ['on', made.host],
      ['as', made.user],
      ['command', html`<code>${made.command}</code>`],
      ...(environment.length === 0
        ? []
        : [['variables that were set', html`<code>${environment.join(' ')}</code>`] as const]),
      ['begun', `${timeText(made.started)} (${timeZone})`],
      ['ended', `${timeText(made.ended)} (${timeZone})`],
    ]),
  );
}

function wholeSection({ json, format }: Around): Markup {
  return section(
    'Whether it is whole',
    html`<p>
        The facts of this page stand in it as JSON, too (<code>${format}</code>), and this is their
        sha256:
      </p>
      <p><code>${hashIn(json)}</code></p>
      <p>
        <code>etcd-lockstep audit verify FILE</code> makes the hash and the page anew and compares
        both. That proves that the file is whole, not who made it: for that it is to be signed.
      </p>
      <div class="signature"><span>name</span><span>date</span><span>signature</span></div>`,
  );
}
