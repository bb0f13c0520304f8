/** The night of a cutover or a rollback: its steps, how long writes are refused, fence, apiservers, alarms. */
import type { ApiServerView, NightStepView, NightView, View } from '../view.js';
import { count, duration } from '../../text.js';
import { bar, byId, make, place, prose, type Content } from './elements.js';
import { running, timeElement } from './times.js';

const SIGNS: Record<NightStepView['state'], string> = {
  'to do': '·',
  now: '▸',
  done: '✓',
  failed: '✕',
};

const steps = place('steps', (night: Pick<NightView, 'steps' | 'waitsFor'>) => [
  make('h2', '', 'Steps'),
  make('ol', '', ...night.steps.map((step) => stepLine(step, night.waitsFor))),
]);

/** On its own, for it is read, and copied from, while the steps' seconds run. */
const aborted = place('aborted', (ifAborted: string) => [
  make('h2', '', 'If it is stopped here'),
  make('p', '', ...prose(ifAborted)),
]);

const frozen = place('frozen', ({ frozenAt, thawedAt }: Freeze) => [
  ...freezeOf(frozenAt, thawedAt),
]);
type Freeze = Pick<NightView, 'frozenAt' | 'thawedAt'>;

const fence = place('fence', (it: Fence) => [
  make('h2', '', `Fence: ${it.kept} ahead by`),
  ...fenceOf(it),
]);
/** `kept`: the one whose head has to be above the other's. */
type Fence = NonNullable<NightView['fence']> & { kept: 'source' | 'target' };

const exact = place('exact', (revision: number) => [
  make('h2', '', 'Exact copy up to'),
  make('p', 'big revision', String(revision)),
]);

const apiservers = place('apiservers', (all: ApiServerView[]) => [
  make('h2', '', `Apiservers: ${all.filter(({ moved }) => moved).length} of ${all.length} moved`),
  make('ul', '', ...all.map(apiserverLine)),
]);

const alarms = place('alarms', (all: string[]) => [
  make('h2', '', `${count(all.length)} alarm${all.length === 1 ? '' : 's'}`),
  make('ul', '', ...all.map((alarm) => make('li', '', alarm))),
]);

export function showNight({ command, night }: View): void {
  const kept = command === 'rollback' ? 'source' : 'target';
  byId('night').hidden = night === null;
  steps(night && { steps: night.steps, waitsFor: night.waitsFor });
  aborted(night?.ifAborted ?? null);
  frozen(night && { frozenAt: night.frozenAt, thawedAt: night.thawedAt });
  fence(night?.fence ? { ...night.fence, kept } : null);
  exact(night?.exact ?? null);
  apiservers(night && night.apiservers.length > 0 ? night.apiservers : null);
  alarms(night && night.alarms.length > 0 ? night.alarms : null);
}

/** `[8/10] switch`: the step that is under way, or has failed; null before the first and behind the last. */
export function stepNow({ steps }: NightView): string | null {
  const at = steps.findIndex(({ state }) => state === 'now' || state === 'failed');
  return at < 0 ? null : `[${at + 1}/${steps.length}] ${steps[at]?.name ?? ''}`;
}

function stepLine({ name, does, state, seconds }: NightStepView, waitsFor: string | null): Content {
  const line = make(
    'li',
    `step ${state.replace(' ', '-')}`,
    make('span', 'sign', SIGNS[state]),
    make('strong', '', name),
    make('span', 'does', does),
    make('span', 'number took', seconds === null ? '' : duration(seconds)),
    state === 'now' && waitsFor !== null ? make('span', 'waits', `waits for: ${waitsFor}`) : null,
  );
  line.ariaLabel = `${name}, ${state}`;
  if (state === 'now') line.ariaCurrent = 'step';
  return line;
}

function freezeOf(frozenAt: string | null, thawedAt: string | null): Content[] {
  if (frozenAt === null) return [make('h2', '', 'Writes'), make('p', 'big', 'not refused')];
  if (thawedAt === null)
    return [
      make('h2', '', 'Writes refused for'),
      make('p', 'big number refused', running(frozenAt, true)),
      make('p', 'note', 'since ', timeElement(frozenAt)),
    ];
  const seconds = (Date.parse(thawedAt) - Date.parse(frozenAt)) / 1000;
  return [
    make('h2', '', 'Writes were refused for'),
    make('p', 'big number', duration(seconds)),
    make('p', 'note', 'let in again at ', timeElement(thawedAt)),
  ];
}

/** Whether the one head is as far above the other as it shall be. */
function fenceOf({ source, target, ahead, margin, kept }: Fence): Content[] {
  const overtaken = ahead <= 0;
  const says = overtaken ? `! the ${kept} was overtaken` : `the margin is ${count(margin)}`;
  return [
    make('p', `big number ${overtaken ? 'refused' : ''}`, count(ahead)),
    bar(Math.min(1, Math.max(0, ahead / margin)), 'margin of the fence'),
    make('p', 'note number', says),
    make('p', 'note', 'target ', make('span', 'revision', String(target))),
    make('p', 'note', 'source ', make('span', 'revision', String(source))),
  ];
}

function apiserverLine({ apiserver, from, why, moved }: ApiServerView): Content {
  return make(
    'li',
    moved ? 'moved' : '',
    make('span', 'sign', moved ? '✓' : '·'),
    make('span', 'name', apiserver),
    make('span', 'note', why ?? (from === 'does not answer' ? from : `serves from ${from}`)),
  );
}
