/** How steps, notes and alarms of a cutover or a rollback are shown. */
import type { NightEvent, OnNightEvent } from '../cutover/nightevents.js';
import type { NightStep } from '../cutover/steps.js';
import type { LockstepError } from '../errors.js';
import { servingText, type Serving } from '../proof/servedfrom.js';
import { count } from '../text.js';
import type { Context } from './command.js';

/** What to do about those that are waited for, where somebody has to: lines of their own, to be copied from. */
type ToDo = (event: NightEvent & { kind: 'waiting' }) => readonly string[];

/** As lines for people; with `-w json` steps and alarms are objects on stdout. */
export function showEvent(
  { json, log, progress, print }: Pick<Context, 'json' | 'log' | 'progress' | 'print'>,
  toDo: ToDo,
): OnNightEvent {
  return (event) => {
    switch (event.kind) {
      case 'step':
        if (json) print({ step: event.step }, () => '');
        else log.info(stepText(event.step));
        progress.keep(frozenLine(event.step));
        return;
      case 'alarm':
        if (json) print({ alarm: event.alarm }, () => '');
        log.error(`ALARM: ${event.alarm}`);
        return;
      case 'progress':
        progress.show(() => event.text);
        return;
      case 'postponed': {
        const { until, notReady } = event;
        if (json) print({ postponed: { until, notReady: notReady && codeOf(notReady) } }, () => '');
        const ready = notReady ? `NOT READY (${notReady.code})` : 'ready';
        progress.keep(until === null ? undefined : () => `${ready}, waiting until ${until}`);
        return;
      }
      case 'waiting':
        log.info(waitText(event.waiting, toDo(event)));
    }
  };
}

function codeOf({ code, message, hint }: LockstepError) {
  return { code, message, hint: hint ?? null };
}

function waitText(waiting: readonly Serving[], toDo: readonly string[]): string {
  const each = waiting.map((one) => `  ${one.apiserver}  (${servingText(one)})`);
  return [`waiting for ${count(waiting.length)} apiserver(s):`, ...each, ...toDo].join('\n');
}

/** On a terminal the time runs on, whatever the step waits for. */
function frozenLine({ number, of, name, frozenSeconds }: NightStep): (() => string) | undefined {
  if (frozenSeconds === null) return undefined;
  const sinceMs = Date.now() - frozenSeconds * 1000;
  return () => {
    const frozen = ((Date.now() - sinceMs) / 1000).toFixed(1);
    return `[${number}/${of}] ${name}; frozen for ${frozen} s`;
  };
}

function stepText({
  number,
  of,
  name,
  does,
  waitsFor,
  ifAborted,
  frozenSeconds,
}: NightStep): string {
  const frozen = frozenSeconds === null ? '' : `; frozen for ${frozenSeconds.toFixed(1)} s`;
  return `[${number}/${of}] ${name}: ${does}${frozen}\n       waits for: ${waitsFor}\n       stopped here: ${ifAborted}`;
}
