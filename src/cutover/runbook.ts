/**
 * The runbook of one cluster's night: what docs/cutover.md says, with this cluster's commands, addresses and
 * times. Each entry: what to type, what to see, what to do if it goes otherwise.
 *
 * Facts alone, without form: report/runbooktext.ts makes Markdown of it, report/rehearsalpage.ts a page.
 */
import { duration } from '../text.js';
import type { RehearsalReport } from './rehearse.js';

/** Commands as they are typed for this cluster. */
export interface NightCommands {
  status: string;
  audit: string;
  probe: string;
  probeOpen: string;
  rehearse: string;
  cutover: string;
  rollback: string;
  unfreeze: string;
  watchLate: string;
  retire: string;
  /** With etcdctl, for either side. */
  saveSource: string;
  saveTarget: string;
}

/** What a runbook is of, beside what was rehearsed. */
export interface RunbookAbout {
  /** Null: all is on the command lines. */
  config: string | null;
  source: readonly string[];
  target: readonly string[];
  apiservers: readonly string[];
  oldApiservers: readonly string[];
  /** Value of --etcd-servers-overrides, of what is moved. */
  overrides: string;
  switchHook: boolean;
  flipHook: boolean;
  commands: NightCommands;
}

export interface RunbookEntry {
  /** `The day before`, `The night`, … */
  part: string;
  title: string;
  type: string[];
  see: string;
  /** If it goes otherwise. */
  otherwise: string;
  /** Page and heading of these docs. */
  link: string;
}

const CUTOVER = 'docs/cutover.md';
const WRONG = `${CUTOVER}#if-it-goes-wrong`;
const STOPPING = `${CUTOVER}#what-stopping-means`;

export function runbookOf(about: RunbookAbout, report: RehearsalReport): RunbookEntry[] {
  return [
    ...before(about, report),
    ...night(about, report),
    ...steps(about, report),
    ...after(about),
  ];
}

function before({ commands: c }: RunbookAbout, report: RehearsalReport): RunbookEntry[] {
  const stops = report.findings.filter(({ weight }) => weight === 'stops');
  const part = 'The day before, and again an hour before';
  return [
    {
      ...{ part, title: 'Rehearse', type: [c.rehearse] },
      see: 'GOES THROUGH, exit code 0.',
      otherwise:
        stops.length > 0
          ? `When this was written it did not go through: what it found (${stops.length}) is to be mended first, and is told above. Any of them left: not tonight.`
          : 'It names all that stands in the way, and what to do about each. Any of it left: not tonight.',
      link: `${CUTOVER}#a-day`,
    },
    {
      ...{ part, title: 'The follower', type: [c.status] },
      see: '`in lockstep, may be followed into`; a lag of some revisions.',
      otherwise: 'Start follow, and wait. A code is explained in docs/messages.md.',
      link: 'docs/output.md',
    },
    {
      ...{ part, title: 'Compare all, with its history', type: [`${c.audit} --history`] },
      see: 'EQUAL, exit code 0.',
      otherwise: 'The target is no copy: not tonight. Seed a new target.',
      link: 'docs/report.md',
    },
    {
      ...{ part, title: 'A way back for everything', type: [c.saveSource, c.saveTarget] },
      see: '`Snapshot saved` twice. No deploys, drains or other maintenance from now on.',
      otherwise: 'An etcd that gives no snapshot is not well: not tonight.',
      link: `${CUTOVER}#an-hour`,
    },
  ];
}

function night(about: RunbookAbout, report: RehearsalReport): RunbookEntry[] {
  const { commands: c } = about;
  const part = 'The night';
  const refused = expected(report);
  return [
    {
      ...{ part, title: 'Begin, in tmux', type: ['tmux new -s cutover', c.cutover] },
      see: `Steps 1 and 2 (the audit took ${report.audit ? duration(report.audit.seconds) : 'a while'} when it was rehearsed), then \`Type go to go on\`. Read each WARNING above it.`,
      otherwise:
        'An error before go has changed nothing: do what its Try: line says, and type the same command again.',
      link: `${CUTOVER}#during`,
    },
    {
      ...{ part, title: 'go', type: ['go'] },
      see: `Steps 3 to 9. Writes to ${report.resources.join(', ') || 'what is moved'} are refused${refused}. The page at http://127.0.0.1:2390/ counts along.`,
      otherwise:
        'Ctrl-C in steps 3 to 6 lets writes in again, and nothing has happened. From step 7 on: the same command goes on.',
      link: STOPPING,
    },
  ];
}

function steps(about: RunbookAbout, { outlook }: RehearsalReport): RunbookEntry[] {
  const { commands: c } = about;
  const part = 'While writes are refused';
  const own = (name: 'drain' | 'compare' | 'takeover' | 'fence') =>
    outlook ? `, about ${outlook.own[name].toFixed(2)} s here` : '';
  return [
    {
      ...{ part, title: '3, freeze', type: [] },
      see: 'Every apiserver refuses every write, within a second or two.',
      otherwise: `It fails and lets writes in. If it says that writes are still frozen, and \`status\` does not say CUT OVER: \`${c.unfreeze}\``,
      link: WRONG,
    },
    {
      ...{ part, title: '4 and 5, drain and compare', type: [] },
      see: `drain${own('drain')}; compare${own('compare')}.`,
      otherwise: `NOT_DRAINED: somebody writes past the freeze, or follow stands still. Writes are let in again. Look: \`${c.probe}\``,
      link: WRONG,
    },
    {
      ...{ part, title: '6 and 7, takeover and fence', type: [] },
      see: `takeover${own('takeover')}; fence${own('fence')}. follow ends with TAKEN OVER, exit code 0: as it should.`,
      otherwise: `LATE_WRITE: no apiserver has moved, go back: \`${c.rollback}\``,
      link: `${CUTOVER}#back`,
    },
    {
      ...{ part, title: '8, switch', type: switchTypes(about) },
      see: `${aboutSwitch(about)} Each: \`serves from the target\`. Do not leave it stopped: nobody keeps the fence then.`,
      otherwise: `One that does not come: its log, its flag. Stopped for whatever reason: the same command goes on at once, or back: \`${c.rollback}\``,
      link: `${CUTOVER}#an-apiserver-that-does-not-stop`,
    },
    {
      ...{ part, title: '9 and 10, unfreeze and watch', type: [] },
      see: 'CUT OVER, late writes 0, exit code 0.',
      otherwise:
        'CUT OVER, WITH ALARMS and exit code 1: it is done, and something was written late; the alarm names the key.',
      link: `${CUTOVER}#a-late-write`,
    },
  ];
}

function switchTypes({ switchHook, oldApiservers, overrides }: RunbookAbout): string[] {
  const byHand = oldApiservers.length === 0 && !switchHook;
  return byHand ? [`--etcd-servers-overrides='${overrides}'`] : [];
}

function aboutSwitch({ switchHook, flipHook, apiservers, oldApiservers }: RunbookAbout): string {
  if (oldApiservers.length > 0)
    return flipHook
      ? `The flip hook takes clients to ${apiservers.join(', ')} and stops ${oldApiservers.join(', ')}.`
      : `Take clients to ${apiservers.join(', ')} and stop ${oldApiservers.join(', ')}, by hand.`;
  return switchHook
    ? `The hook moves ${apiservers.join(', ')}, one after the other.`
    : `Give ${apiservers.join(', ')} the flag above and restart each, by hand, one after the other.`;
}

function after({ commands: c }: RunbookAbout): RunbookEntry[] {
  const part = 'After';
  return [
    {
      ...{ part, title: 'Does the cluster work', type: [c.probeOpen, c.audit] },
      see: 'AS EXPECTED (open); EQUAL as of the takeover. A new pod is scheduled, a deleted one replaced.',
      otherwise: `Pods that stay Pending: restart the scheduler and look why. Nothing helps: go back, \`${c.rollback}\``,
      link: `${CUTOVER}#the-same-night`,
    },
    {
      ...{ part, title: 'Go on watching', type: [c.saveTarget, c.watchLate] },
      see: 'No ALARM. Take away what restarts follow; pre-warmed: take the two flags back, tonight.',
      otherwise: 'An alarm names a key and a revision that were written to the source.',
      link: `${CUTOVER}#a-late-write`,
    },
    {
      ...{ part, title: 'Go back', type: [c.rollback] },
      see: 'At any time until retire: ROLLED BACK. The target has to be seeded anew after it.',
      otherwise: 'Stopped or killed anywhere: the same command goes on.',
      link: `${CUTOVER}#back`,
    },
    {
      ...{ part, title: 'Sign off and retire, after days', type: [c.retire, `${c.retire} --yes`] },
      see: 'WOULD REMOVE first, with the keys and the checksum that were cut over; then `left 0`.',
      otherwise: 'It refuses where anything still speaks against it, and says what.',
      link: `${CUTOVER}#sign-off-and-retire`,
    },
  ];
}

function expected({ outlook }: RehearsalReport): string {
  if (!outlook) return '';
  const { way, rolling, prewarmed } = outlook.freeze;
  const seconds = way === 'rolling' ? rolling : prewarmed;
  if (seconds !== null) return ` for about ${duration(seconds)}`;
  return ` for about ${duration(outlook.own.seconds + outlook.knownSeconds)}, and what the apiservers take`;
}
