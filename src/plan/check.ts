/** A check's outcome: what was found, whether it is in the way, and what to do. */
type CheckVerdict =
  | 'ok'
  /** Goes on all the same; somebody should know. */
  | 'warn'
  /** Do not begin before it is mended. */
  | 'stop'
  /** There was nobody to ask. */
  | 'not asked';

export type CheckName =
  | 'resources'
  | 'source versions'
  | 'target versions'
  | 'source health'
  | 'target health'
  | 'source space'
  | 'target space'
  | 'target stock'
  | 'credentials'
  | 'peer port'
  | 'clocks'
  | 'leases'
  | 'largest value'
  | 'encryption at rest'
  | 'compaction'
  | 'pace';

export interface Check {
  check: CheckName;
  verdict: CheckVerdict;
  /** What was found, and why that is so good or bad. */
  message: string;
  /** What to do about it; null where there is nothing to do. */
  todo: string | null;
}

/** A finding of one check, before it has the check's name. */
export type Finding = Omit<Check, 'check'>;

export function ok(message: string, todo: string | null = null): Finding {
  return { verdict: 'ok', message, todo };
}

export function warn(message: string, todo: string): Finding {
  return { verdict: 'warn', message, todo };
}

export function stop(message: string, todo: string): Finding {
  return { verdict: 'stop', message, todo };
}

export function notAsked(message: string, todo: string | null = null): Finding {
  return { verdict: 'not asked', message, todo };
}

/** Of every check of the target, where there is none yet. */
export const NO_TARGET = notAsked('No target was given.');

const WORST: readonly CheckVerdict[] = ['stop', 'warn', 'not asked', 'ok'];

/** One check out of several findings: the worst one decides, and those as bad as it are told, too. */
export function check(name: CheckName, ...findings: readonly Finding[]): Check {
  const verdict = WORST.find((v) => findings.some((f) => f.verdict === v)) ?? 'ok';
  const told = findings.filter((f) => f.verdict === verdict || f.verdict !== 'ok');
  const todos = [...new Set(told.map((f) => f.todo).filter((todo) => todo !== null))];
  return {
    check: name,
    verdict,
    message: told.map((f) => f.message).join(' '),
    todo: todos.length > 0 ? todos.join(' ') : null,
  };
}
