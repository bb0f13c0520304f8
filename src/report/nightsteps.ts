/**
 * The steps of a night: when each began, how long it took, and where it lay in the freeze.
 *
 * The bars show the time from the freeze to the end of the unfreeze, and nothing else: before it somebody
 * may have thought about his go for an hour, beside which a freeze of seconds could not be seen.
 */
import { duration } from '../text.js';
import { html, NONE, type Markup } from './markup.js';
import type { NightFacts } from './nightfacts.js';
import { dataTable } from './parts.js';

type Step = NightFacts['steps'][number];

/** In ms since 1970. */
interface Span {
  from: number;
  to: number;
}

/** These lie outside of what the bars show. */
const AROUND = ['preflight', 'audit', 'watch'];

const STATES: Record<Step['state'], string> = {
  ...{ 'to do': 'not begun', now: 'under way', done: 'done', failed: 'FAILED HERE' },
  'passed over': 'not by this run',
};

export function stepsTable(facts: NightFacts): Markup {
  const { steps, frozen } = facts;
  const shown = steps.map((step) => (AROUND.includes(step.name) ? undefined : spanOf(step)));
  const spans = shown.filter((span) => span !== undefined);
  const whole = {
    from: Math.min(...spans.map(({ from }) => from)),
    to: Math.max(...spans.map(({ to }) => to)),
  };
  const dark = frozenSpan(frozen, whole);
  const rows = steps.map((step, i) => [
    html`<span class="whole">${i + 1} ${step.name}</span>`,
    step.began === null ? '' : clockText(step.began, facts),
    step.seconds === null ? '' : step.seconds.toFixed(2),
    STATES[step.state],
    bar(shown[i], whole, dark),
  ]);
  const columns = [
    ...[{ name: 'step' }, { name: 'begun, UTC' }],
    ...[{ name: 'seconds', numbers: true }, { name: '' }],
    { name: spans.length > 0 ? 'shaded: writes refused' : '' },
  ];
  return html`${dataTable(columns, rows)}${spans.length > 0 ? caption(whole, facts) : NONE}`;
}

function spanOf({ began, seconds }: Step): Span | undefined {
  if (began === null) return undefined;
  const from = Date.parse(began);
  return { from, to: from + (seconds ?? 0) * 1000 };
}

/** What of it is shown; undefined: nothing, or nobody knows. */
function frozenSpan({ since, until }: NightFacts['frozen'], whole: Span): Span | undefined {
  if (since === null) return undefined;
  const from = Math.max(Date.parse(since), whole.from);
  const to = Math.min(until === null ? whole.to : Date.parse(until), whole.to);
  return to > from ? { from, to } : undefined;
}

function bar(span: Span | undefined, whole: Span, dark: Span | undefined): Markup {
  return html`<svg
    class="bar timeline"
    viewBox="0 0 100 8"
    preserveAspectRatio="none"
    aria-hidden="true"
  >
    ${dark ? rect('frozen', dark, whole, 0) : NONE}${span ? rect('step', span, whole, 0.6) : NONE}
  </svg>`;
}

/** @param least width in percent: what is not nothing can be seen */
function rect(name: string, { from, to }: Span, whole: Span, least: number): Markup {
  const share = (ms: number) => ((ms - whole.from) / Math.max(1, whole.to - whole.from)) * 100;
  const width = Math.max(least, share(to) - share(from));
  const x = Math.min(share(from), 100 - width);
  return html`<rect class="${name}" x="${x.toFixed(2)}" width="${width.toFixed(2)}" height="8" />`;
}

function caption({ from, to }: Span, facts: NightFacts): Markup {
  const clock = (ms: number) => clockText(new Date(ms).toISOString(), facts);
  return html`<p class="small">
    The bars show ${clock(from)} to ${clock(to)}, ${duration((to - from) / 1000)}.
  </p>`;
}

/** `05:53:59.5`, in UTC; with its day where that is not the one on which the night began. */
export function clockText(iso: string, { made }: Pick<NightFacts, 'made'>): string {
  const [day = '', time = ''] = iso.split('T');
  const began = new Date(made.started).toISOString();
  return `${began.startsWith(day) ? '' : `${day} `}${time.slice(0, 10)}`;
}
