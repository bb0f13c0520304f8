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

const FAILPOINTS = [
  // journal/journal.ts
  'journal.create.half',
  'journal.append.begin',
  'journal.append.done',
  // journal/compaction.ts
  'journal.compact.batch',
  'journal.compact.moved',
  // base/read.ts
  'base.blob',
  // base/runwriter.ts
  'base.run',
  // base/adopt.ts
  'base.adopt.begin',
  'base.adopt.removed',
  'base.adopt.renamed',
  // base/bridge.ts
  'base.bridge.planned',
  'base.bridge.declared',
  'base.bridge.appended',
  // base/basefile.ts
  'base.seal.row',
  'base.seal.checksum',
  'base.seal.rename',
  'base.seal.renamed',
  // target/target.ts: before sending, and when the answer came but nobody knows of it
  'target.filler.send',
  'target.filler.answer',
  'target.data.send',
  'target.data.answer',
  'target.term.send',
  'target.term.answer',
  // lockstep/apply.ts, lockstep/transactions.ts
  'lockstep.stock.taken',
  'lockstep.filler.remember',
  'lockstep.cursor.remember',
  // lockstep/proposals.ts: before and behind handing over, and when it is known what has landed
  'lockstep.proposals.send',
  'lockstep.proposals.sent',
  'lockstep.proposals.confirmed',
  // lockstep/again.ts: the journal is there; before sending, and when the answer came
  'lockstep.again.journal',
  'lockstep.again.send',
  'lockstep.again.answer',
  // leases/keeper.ts
  'leases.grant',
  'leases.granted',
  // lockstep/compactions.ts
  'lockstep.compactions.begin',
  'lockstep.compactions.target',
  'lockstep.compactions.done',
  // mirror/writer.ts
  'mirror.copy.claimed',
  'mirror.copy.send',
  'mirror.copy.answer',
  // reverse/reversesink.ts: the source's head is above what is brought next
  'reverse.above',
  // cutover/takeover.ts
  'cutover.takeover.send',
  'cutover.takeover.answer',
  // cutover/approach.ts: behind each step
  'cutover.audited',
  'cutover.frozen',
  'cutover.drained',
  // cutover/crossing.ts: likewise
  'cutover.fenced',
  'cutover.moved',
  'cutover.switched',
  'cutover.unfrozen',
  // cutover/bringkeys.ts
  'cutover.bring.send',
  // cutover/returning.ts, cutover/bringing.ts: likewise
  'cutover.rollback.caught',
  'cutover.rollback.frozen',
  'cutover.rollback.drained',
  'cutover.rollback.raised',
  'cutover.rollback.brought',
  'cutover.rollback.switched',
  'cutover.rollback.unfrozen',
  // cutover/retire.ts
  'cutover.retire.verified',
  'cutover.retire.removed',
  'cutover.retire.done',
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
