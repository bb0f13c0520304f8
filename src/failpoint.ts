/**
 * Fail points: places where a test may have this process die, as by `kill -9`, or meet a bug.
 *
 * A crash that matters happens between two steps that belong together; a kill from outside, at a
 * random time, meets such a place once in thousands of tries. So the places have names, and the
 * environment variable LOCKSTEP_FAILPOINT says where to die: `name`, `name:n` for the n-th
 * passing, `name:n:ms` for so many milliseconds after it, when a request is on its way. With
 * `name:n:uncaught` an error is thrown there that nobody catches, with `name:n:rejection` a promise
 * rejected that nobody awaits. Nobody but the tests sets it; without it, passing costs one comparison.
 */

export const FAILPOINTS = [
  // journal/journal.ts
  'create.half',
  'append.begin',
  'append.done',
  'compact.batch',
  // base/read.ts
  'base.blob',
  'base.batch',
  'base.page',
  // base/adopt.ts
  'adopt.begin',
  'adopt.removed',
  'adopt.renamed',
  // base/bridge.ts
  'bridge.planned',
  'bridge.declared',
  'bridge.appended',
  // base/seal.ts
  'seal.row',
  'seal.checksum',
  'seal.rename',
  'seal.renamed',
  // lockstep/target.ts: before sending, and when the answer came but nobody knows of it
  'filler.send',
  'filler.answer',
  'data.send',
  'data.answer',
  'fence.send',
  'fence.answer',
  // lockstep/apply.ts
  'stock.taken',
  'filler.remember',
  'cursor.remember',
  // lockstep/leases.ts
  'lease.grant',
  'lease.granted',
  // lockstep/compactions.ts
  'mirror.begin',
  'mirror.target',
  'mirror.done',
  // mirror/writer.ts
  'copy.claimed',
  'copy.send',
  'copy.answer',
  // cutover/takeover.ts
  'takeover.send',
  'takeover.answer',
  // cutover/cutover.ts: behind each step
  'cutover.audited',
  'cutover.frozen',
  'cutover.drained',
  'cutover.fenced',
  'cutover.moved',
  'cutover.switched',
  'cutover.unfrozen',
  // cutover/bring.ts
  'bring.send',
  // cutover/rollback.ts: behind each step
  'rollback.frozen',
  'rollback.raised',
  'rollback.brought',
  'rollback.switched',
  'rollback.unfrozen',
  // cutover/retire.ts
  'retire.verified',
  'retire.removed',
  'retire.done',
] as const;

export type Failpoint = (typeof FAILPOINTS)[number];

/** Read when the process starts: a name that nobody passes would silently test nothing. */
const armed = parse(process.env['LOCKSTEP_FAILPOINT']);

/** Ends the process here if it was told so. */
export function failpoint(name: Failpoint): void {
  if (armed?.name !== name || --armed.passings !== 0) return;
  if (armed.how === undefined) die();
  else if (armed.how === 'uncaught') setImmediate(throwBug);
  else if (armed.how === 'rejection') void Promise.resolve().then(throwBug);
  else setTimeout(die, Number(armed.how));
}

function throwBug(): never {
  throw new Error('a fail point');
}

function die(): void {
  process.kill(process.pid, 'SIGKILL');
}

function parse(text: string | undefined) {
  if (text === undefined) return undefined;
  const [, named, passings, how] =
    /^([a-z.]+)(?::([1-9]\d*)(?::(\d+|uncaught|rejection))?)?$/.exec(text) ?? [];
  const name = FAILPOINTS.find((known) => known === named);
  if (!name) throw new Error(`LOCKSTEP_FAILPOINT: there is no fail point "${text}"`);
  return { name, passings: Number(passings ?? 1), how };
}
