/** What a night has come to, in words: its verdict, whether writes are refused, what is to be done. */
import type { ErrorCode } from '../errors.js';
import type { NightRecord, StepRecord } from './nightlog.js';

/** `unknown`: they may be refused or not, and only the apiservers can say. */
export type Writes = 'not refused' | 'refused' | 'let in again' | 'unknown';

/** Something to be done, and the command for it where there is one. */
export interface ToDo {
  text: string;
  command: string | null;
}

/** Who ends by one of these knows nothing of the freeze any more. */
const NOT_OURS: readonly (ErrorCode | null)[] = ['OTHER_RUN', 'FREEZE_LOST', 'FREEZE_TAKEN'];
/** Where an earlier run came to one of these, it has frozen. */
const FROZEN_BEFORE = ['fenced', 'switched', 'rolling back', 'switched back'];

export function stepUnderWay({ steps }: NightRecord): StepRecord | undefined {
  return steps.find(({ state }) => state === 'now');
}

/** Where it broke off: the step that failed, or, between two steps, the last one that was done. */
export function lastStep({ steps }: NightRecord): StepRecord | undefined {
  return steps.findLast(({ beganAt }) => beganAt !== null);
}

/** Whether writes are refused, as far as this run knows. */
export function writesNow(record: NightRecord): Writes {
  const { command, end, frozenAt, thawedAt, taken, earlier } = record;
  if (command === 'fence') return 'unknown';
  if (end?.kind === 'failed' && begun(record, 'freeze') && NOT_OURS.includes(end.code))
    return 'unknown';
  if (thawedAt) return 'let in again';
  const broken = end?.kind === 'failed' || end?.kind === 'stopped';
  // Before the takeover a run that fails lets them in; where it could not it has told so.
  if (frozenAt && broken && (!taken || begun(record, 'unfreeze'))) return 'unknown';
  // That an earlier run's freeze still stands was seen when the fence stood.
  const seen = command === 'rollback' || earlier === null || begun(record, 'switch');
  if (frozenAt) return seen ? 'refused' : 'unknown';
  const may = begun(record, 'freeze') || (earlier !== null && FROZEN_BEFORE.includes(earlier));
  return may ? 'unknown' : 'not refused';
}

function begun({ steps }: NightRecord, name: string): boolean {
  return steps.some((step) => step.name === name && step.beganAt !== null);
}

/** `CUT OVER at revision 409`, `FAILED in step 8, switch: writes stay frozen` */
export function verdict(record: NightRecord): string {
  const { end, taken, raised, alarmCount } = record;
  const alarms = alarmCount > 0 ? ', WITH ALARMS' : '';
  const exact = taken ? `; exact copy up to revision ${taken.exact}` : '';
  if (!end && record.postponed) return waitingText(record.postponed);
  if (!end) return `UNDER WAY${atStep(stepUnderWay(record) ?? lastStep(record), record)}`;
  switch (end.kind) {
    case 'cutover':
      return `CUT OVER${alarms}${exact}`;
    case 'rollback':
      return `ROLLED BACK${alarms}`;
    case 'fence':
      return raised ? `FENCED${alarms}${exact}` : `STOPPED${alarms}`;
    default: {
      const what = end.kind === 'stopped' ? 'STOPPED' : 'FAILED';
      return `${what}${atStep(lastStep(record), record)}: ${leftText(record)}`;
    }
  }
}

/** `READY, waiting until the file go.txt is gone` */
export function waitingText({ until, notReady }: NonNullable<NightRecord['postponed']>): string {
  if (!notReady) return `READY, waiting until ${until}`;
  return `NOT READY, waiting until ${until}: ${notReady.message} [${notReady.code}]`;
}

function atStep(step: StepRecord | undefined, { steps }: NightRecord): string {
  return step ? ` in step ${steps.indexOf(step) + 1}, ${step.name}` : ' before the first step';
}

/** How a night that was broken off has left things. */
function leftText(record: NightRecord): string {
  const { command, taken, end } = record;
  if (end?.kind === 'failed' && end.code === 'OTHER_RUN') return 'another run has the night';
  if (command === 'fence')
    return taken ? 'nobody keeps the fence' : 'nothing was changed; the freeze is yours';
  const claimed = command === 'rollback' ? begun(record, 'freeze') : taken !== null;
  switch (writesNow(record)) {
    case 'refused':
      return 'writes stay frozen';
    case 'unknown':
      return 'writes may be frozen';
    case 'let in again':
      return claimed ? 'writes are let in' : 'writes were let in again, and nothing was changed';
    case 'not refused':
      return claimed ? 'writes were let in by an earlier run' : 'nothing was changed';
  }
}

const COMMAND = 'etcd-lockstep';
const STATUS = `${COMMAND} status`;
const AUDIT = `${COMMAND} audit`;
const PROBE_OPEN = `${COMMAND} freeze probe --open`;

/** What is left to be done, most urgent first; never empty. */
export function whatIsLeft(record: NightRecord): ToDo[] {
  const { end } = record;
  switch (end?.kind) {
    case undefined:
      return [whileUnderWay(record)];
    case 'cutover':
      return [...forAlarms(record), ...AFTER_CUTOVER];
    case 'rollback':
      return [...forAlarms(record), ...AFTER_ROLLBACK];
    case 'fence':
      return [...forAlarms(record), ...AFTER_FENCE];
    default:
      return [...forAlarms(record), ...afterBreak(record)];
  }
}

function whileUnderWay(record: NightRecord): ToDo {
  const step = stepUnderWay(record);
  const waiting = record.apiservers.filter(({ now, movedAt }) => now !== null && movedAt === null);
  if (step?.name === 'switch' && waiting.length > 0) {
    const names = waiting.map(({ apiserver }) => apiserver).join(', ');
    return todo(`Waits for ${names} to move: by the hook, or by you, as its terminal says.`);
  }
  if (record.postponed)
    return todo(
      `Nothing. It begins when ${record.postponed.until}; Ctrl-C until then changes nothing.`,
    );
  if (!step) return todo('It has just begun, or waits for the word go on its terminal.');
  return todo(`Nothing. It waits for ${step.waitsFor}. Stopped here: ${step.ifAborted}.`);
}

function forAlarms({ alarms }: NightRecord): ToDo[] {
  const told = (words: string) => alarms.some(({ text }) => text.includes(words));
  return [
    ...(told('serves from the') ? [todo(GONE_BACK)] : []),
    ...(told('late write') ? [todo(LATE)] : []),
    ...(told('fence was overtaken') ? [todo(OVERTAKEN)] : []),
    ...(told('writes are frozen') ? [todo(FREEZE_LEFT, `${COMMAND} freeze remove`)] : []),
  ];
}

const GONE_BACK =
  'Stop or move the apiserver that serves from the other side again, at once; look for what was written there.';
const LATE =
  'Stop the writer of what was written late, and bring it over by kubectl while its etcd still has it: five to ten minutes (docs/cutover.md, "A late write").';
const OVERTAKEN =
  'Restart what holds moved objects in memory: scheduler, controller-manager, kubelets, operators (docs/cutover.md, "The fence was overtaken").';
const FREEZE_LEFT = 'Find out whose freeze it is that stands still; if nobody needs it, remove it.';

const AFTER_CUTOVER: readonly ToDo[] = [
  todo('See that writes are let in: a new pod is scheduled, a deleted one replaced.', PROBE_OPEN),
  todo(
    'Within five minutes, before the revision is compacted: EQUAL as of the takeover, and nothing written on the source since.',
    AUDIT,
  ),
  todo('Pre-warmed apiservers: take their two flags back, before anybody goes to bed.'),
  todo(
    'Make a snapshot of the target, and give it backups and alerts; those of the source have nothing of it any more.',
  ),
  todo('Take away what restarts `follow`: it ends with exit code 0 each time.'),
  todo('Go on watching for late writes.', `${COMMAND} cutover --yes --watch 24h`),
  todo('Until the sign-off there is a way back.', `${COMMAND} rollback`),
  todo(
    'After the sign-off, in quiet hours, remove from the source what was moved.',
    `${COMMAND} retire --yes`,
  ),
  todo(
    'After that: defrag the source, delete journal and base, and the marker on the target.',
    'etcdctl del etcd-lockstep/cutover',
  ),
];

const AFTER_ROLLBACK: readonly ToDo[] = [
  todo('See that writes are let in: a new pod is scheduled, a deleted one replaced.', PROBE_OPEN),
  todo(
    'Take the resources out of --etcd-servers-overrides wherever the flag is kept: one old manifest would move an apiserver again.',
  ),
  todo(
    'For a new attempt: this takes the target into lockstep again, or says why it needs a new seed.',
    `${COMMAND} follow --again`,
  ),
  todo('For none: stop the target, and delete its data, the journal and the base.'),
];

const AFTER_FENCE: readonly ToDo[] = [
  todo('Nobody keeps the fence now: go on at once, or keep it again.', `${COMMAND} fence`),
  todo(
    'When every apiserver has moved: this lets writes in, and marks it as done.',
    `${COMMAND} cutover`,
  ),
];

/** It was stopped, or has failed. */
function afterBreak(record: NightRecord): ToDo[] {
  const { command, end, taken } = record;
  const hint = end?.kind === 'failed' && end.hint !== null ? [todo(end.hint)] : [];
  if (end?.kind === 'failed' && end.code === 'OTHER_RUN') return [...hint, WHERE_IT_STANDS];
  const again = `${COMMAND} ${command}`;
  const writes = writesNow(record);
  const refused = writes === 'refused' || writes === 'unknown';
  const probe = refused && command !== 'fence' ? [IS_IT_FROZEN] : [];
  if (command === 'rollback' && begun(record, 'freeze'))
    return [...hint, todo('Go on at once: the same command ends it.', again), ...probe];
  if (command !== 'rollback' && taken)
    return [
      ...hint,
      todo('The target is taken over. Go on at once: the same command goes on.', again),
      todo('Or back to the source.', `${COMMAND} rollback`),
      ...probe,
    ];
  return [...hint, ...probe, todo('When that is mended: the same command begins anew.', again)];
}

const WHERE_IT_STANDS = todo('How far it is, and whose the night is.', STATUS);
const IS_IT_FROZEN = todo(
  'Whether writes are frozen, by whom, and whether the target is taken over. If it is not, and no run goes on with it, `etcd-lockstep freeze remove --force` lets writes in.',
  STATUS,
);

function todo(text: string, command: string | null = null): ToDo {
  return { text, command };
}
