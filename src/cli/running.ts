/** What a running command tells `status` by its listener, where it is the one that was meant. */
import { LockstepError } from '../errors.js';
import { readView } from '../listen/looking.js';
import type { View } from '../listen/view.js';
import { duration } from '../text.js';
import { auditText } from './viewlines.js';

export interface Running {
  /** URL of the listener. */
  listener: string;
  /** Why what it says is not believed; null: it is. */
  trouble: { code: string; message: string; hint: string | null } | null;
  /** As its /view.json has it; null where it is not believed. */
  view: View | null;
}

/** Ids of the two clusters that `status` has asked; null where it does not know. */
export type Clusters = View['clusters'];

/** What stands in the way of an answer is part of the answer: the target was asked, and has told. */
export async function askRunning(at: URL, asked: Clusters, signal: AbortSignal): Promise<Running> {
  try {
    const view = await readView(at, signal);
    refuseOther(at, view, asked);
    return { listener: at.href, trouble: null, view };
  } catch (error) {
    if (!(error instanceof LockstepError) || signal.aborted) throw error;
    const { code, message, hint = null } = error;
    return { listener: at.href, trouble: { code, message, hint }, view: null };
  }
}

/** @throws LockstepError ENDPOINTS_DIFFER where it is about other clusters, or cannot tell yet */
function refuseOther(at: URL, { command, clusters }: View, asked: Clusters): void {
  const refuse = (what: string) =>
    new LockstepError('ENDPOINTS_DIFFER', `the ${command} at ${at.href} ${what}`, {
      hint: 'Give --listener the address that the command for this target has logged.',
    });
  if (clusters.target === null) throw refuse('has not heard of a target yet');
  for (const side of ['target', 'source'] as const) {
    const [its, ours] = [clusters[side], asked[side]];
    if (its !== null && ours !== null && its !== ours)
      throw refuse(`has ${side} cluster ${its}, and this one is ${ours}`);
  }
}

/** Names and values for people. */
export function runningRows(running: Running | null): [string, string][] {
  if (!running) return [];
  const { trouble, view } = running;
  if (trouble) return [['running', `NOT KNOWN: ${trouble.message} [${trouble.code}]`]];
  if (!view) return [];
  const nowMs = Date.parse(view.at);
  const { keepsSeconds = null, leftSeconds = null } = view.compaction ?? {};
  const [audit] = view.audits;
  return [
    ['running', `${view.command}, ${view.state}: ${view.sentence}`],
    ...(view.lag ? [row('its lag', `${duration(view.lag.seconds)}, all the time`)] : []),
    ...(view.trouble ? [row('its trouble', troubleText(view.trouble))] : []),
    ...(view.way?.why
      ? [row('written by', `${view.way.by}: ${view.way.why.message} [${view.way.why.code}]`)]
      : []),
    ...(leftSeconds === null || keepsSeconds === null
      ? []
      : [row('window', `${duration(Math.max(0, leftSeconds))} left of ${duration(keepsSeconds)}`)]),
    ...(audit ? [row('last audit', auditText(audit, nowMs))] : []),
  ];
}

const row = (name: string, value: string): [string, string] => [name, value];

function troubleText({ code, message, hint, since }: NonNullable<View['trouble']>): string {
  return `${message} [${code}], since ${since}.${hint === null ? '' : ` ${hint}`}`;
}
