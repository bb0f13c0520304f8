/** How steps, notes and alarms of a cutover or a rollback are shown. */
import type { NightOptions } from '../cutover/nightoptions.js';
import type { NightStep } from '../cutover/steps.js';
import { servingText, type Serving } from '../proof/servedfrom.js';
import { count } from '../text.js';
import type { Context } from './command.js';

/** As lines for people; with `-w json` steps and alarms are objects on stdout. */
export function shownSteps({
  json,
  log,
  progress,
  print,
  mustGoOn,
}: Context): Pick<NightOptions, 'onStep' | 'onAlarm' | 'onProgress' | 'onMustGoOn'> {
  return {
    onStep: (step) => {
      if (json) print({ step }, () => '');
      else log.info(stepText(step));
      progress.keep(frozenLine(step));
    },
    onAlarm: (alarm) => {
      if (json) print({ alarm }, () => '');
      log.error(`ALARM: ${alarm}`);
    },
    onMustGoOn: mustGoOn,
    onProgress: (text) => {
      progress.show(() => text);
    },
  };
}

/** @param toDo what to do about it, where somebody has to: lines of their own, to be copied from */
export function waitText(waiting: readonly Serving[], toDo: readonly string[] = []): string {
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
