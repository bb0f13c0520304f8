/**
 * The page of the listener: what an operator leaves open for weeks, and in the night of a cutover.
 *
 *     /events ─► contact.ts ─► a view each second ─► the parts, each in its place of page.html
 *     /samples.json ─► plotted.ts ─► plots.ts
 *
 * It reads and shows, and can do nothing. Each part is one file and shows its part of the view, or
 * nothing where that is null.
 */
import type { View } from '../view.js';
import { showAudits } from './auditspart.js';
import { compactionClock } from './compactionclock.js';
import { Contact, type ContactState } from './contact.js';
import { byId, make, place, setText } from './elements.js';
import { showFigures } from './figures.js';
import { showHeadline } from './headline.js';
import { showLog } from './logpart.js';
import { showNight, stepNow } from './nightpart.js';
import { Plots } from './plots.js';
import { PlottedSamples } from './plotted.js';
import { showTab } from './tab.js';
import { runAll, STALE_MS, timeElement } from './times.js';

/** How often what runs is moved on; for who wants no motion once a second. */
const RUNS_EACH_MS = matchMedia('(prefers-reduced-motion: reduce)').matches ? 1000 : 200;

const samples = new PlottedSamples();
const plots = new Plots(samples);
const showWindow = place('window', compactionClock);
const showAbout = place('about', ({ version, startedAt }: Pick<View, 'version' | 'startedAt'>) => [
  make('span', '', `etcd-lockstep ${version}, since `, timeElement(startedAt)),
  make('span', '', `Times are ${Intl.DateTimeFormat().resolvedOptions().timeZone}`),
]);
let view: View | null = null;
let said = '';

const contact = new Contact((next) => {
  // The page is of the version that it was loaded from.
  if (view && view.version !== next.version) location.reload();
  // A page that was away has missed some; the process has kept them.
  const missed = !view || Date.parse(next.at) - Date.parse(view.at) > STALE_MS;
  const otherRun = view?.startedAt !== next.startedAt;
  view = next;
  if (missed || otherRun) void loadSamples();
  show(next);
  look();
});

function show(next: View): void {
  showHeadline(next);
  showNight(next);
  showFigures(next);
  showWindow(next.compaction);
  showAudits(next);
  showLog(next);
  showAbout({ version: next.version, startedAt: next.startedAt });
  byId('main').hidden = false;
  samples.add(next);
  plots.draw();
}

async function loadSamples(): Promise<void> {
  try {
    await samples.load();
    plots.draw();
  } catch {
    // Then the plots begin now; whether the process can be reached at all the contact says.
  }
}

function look(): void {
  contact.look();
  runAll(document);
  showTab(view, contact.state);
  say(view, contact.state);
}

/** For screen readers: the state when it changes, and not each figure of each second. */
function say(now: View | null, state: ContactState): void {
  if (now === null) return;
  const what = [
    state === 'lost' ? 'No contact. Last heard: ' : '',
    (now.night && stepNow(now.night)) ?? now.state,
    now.trouble ? `, trouble: ${now.trouble.code}` : '',
    now.night && now.night.alarms.length > 0 ? `, alarms: ${now.night.alarms.length}` : '',
  ].join('');
  if (what === said) return;
  said = what;
  setText(byId('said'), what);
}

setInterval(look, RUNS_EACH_MS);
look();
