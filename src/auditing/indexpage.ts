/** The page that lists the reports of a folder, newest first, and the audits that have none. */
import type { AuditOutcome } from './outcome.js';
import { hashOf } from '../report/frame.js';
import { html, Markup } from '../report/markup.js';
import { dataTable, timeText } from '../report/parts.js';
import { REPORT_CSS } from '../report/reportcss.js';
import { count, duration } from '../text.js';

const POLICY = `default-src 'none'; style-src '${hashOf(REPORT_CSS)}'; img-src data:; base-uri 'none'; form-action 'none'`;

/** The policy is of just what stands between the tags. */
const STYLE = new Markup(`<style>${REPORT_CSS}</style>`);

/** A report that lies in the folder. */
export interface Filed {
  /** Without its ending: there are a page and its facts. */
  name: string;
  /** When the audit ended; ISO 8601. */
  at: string;
  different: boolean;
}

/** @param outcomes what is remembered of them; of a report of which nothing is, its name tells */
export function indexPage(filed: readonly Filed[], outcomes: readonly AuditOutcome[]): string {
  const known = new Map(outcomes.map((outcome) => [outcome.at, outcome]));
  const rows = [
    ...filed.map(({ at, ...one }) => ({ at, cells: reportCells(at, one, known.get(at)) })),
    ...outcomes
      .filter(({ file }) => file === null)
      .map((outcome) => ({ at: outcome.at, cells: cells(outcome, outcome.result) })),
  ].sort((a, b) => (a.at < b.at ? 1 : -1));
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${new Markup(POLICY)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>Audits while following</title>
        <link rel="icon" href="data:," />
        ${STYLE}
      </head>
      <body>
        <header>
          <h1>Audits while following</h1>
          <p>etcd-lockstep, newest first</p>
        </header>
        <main>
          ${dataTable(
            [
              { name: 'ended' },
              { name: 'result' },
              { name: 'revision', numbers: true },
              { name: 'keys', numbers: true },
              { name: 'differences', numbers: true },
              { name: 'took', numbers: true },
              { name: '' },
            ],
            rows.map((row) => row.cells),
          )}
        </main>
      </body>
    </html> `.text;
}

type Cells = (string | Markup)[];

function reportCells(
  at: string,
  filed: Omit<Filed, 'at'>,
  outcome: AuditOutcome | undefined,
): Cells {
  const { name, different } = filed;
  const result = different ? 'different' : 'equal';
  const links = html`<a href="${name}.html">report</a>, <a href="${name}.json">JSON</a>`;
  if (!outcome) return [timeText(at), verdict(result), '', '', '', '', links];
  return [...cells(outcome, result).slice(0, -1), links];
}

function cells(outcome: AuditOutcome, result: AuditOutcome['result']): Cells {
  const { at, revision, keys, differences, seconds, message } = outcome;
  return [
    timeText(at),
    verdict(result),
    revision === null ? '' : String(revision),
    count(keys),
    count(differences),
    duration(seconds),
    message ?? '',
  ];
}

function verdict(result: AuditOutcome['result']): Markup {
  const tone = result === 'equal' ? 'good' : 'bad';
  return html`<span class="${tone}">${result.toUpperCase()}</span>`;
}
