/**
 * A command that goes about it as a cutover does: it freezes, may take over, and lets writes in again
 * where it is stopped before. It leaves a file for each of its states in a folder, and in another one
 * how often it has logged something.
 *
 * BEHIND=1: behind a takeover, nothing local may stop it. BUG=uncaught, BUG=rejection: meets one there;
 * BUG=hangs: and waits for what never comes. FAILS=UNAVAILABLE, FAILS=ETCD, …: where it is stopped, with an
 * error of that disposition.
 */
import { Command } from 'commander';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../../src/async/again.js';
import { register } from '../../src/cli/command.js';
import { guardProcess } from '../../src/cli/stopping.js';
import { LockstepError, type ErrorCode } from '../../src/errors.js';

const ROUND_MS = 10;

guardProcess();
const program = new Command('conduct');
register(program, {
  name: 'conduct',
  description: 'Freeze and thaw.',
  argument: ['folder', 'for its states'],
  required: [],
  optional: [],
  example: 'conduct folder',
  run: async (_options, { signal, mustGoOn, log, print }, folder) => {
    const leave = (state: string) => {
      writeFileSync(join(folder, state), '');
      print({ state }, () => state);
    };
    if (process.env['BEHIND']) mustGoOn();
    leave('frozen');
    meetBug(process.env['BUG']);
    if (process.env['BUG'] === 'hangs') await new Promise(() => undefined);
    for (let round = 0; !signal.aborted && !existsSync(join(folder, 'go')); round++) {
      log.info('at it');
      writeFileSync(join(folder, 'round'), `${round}`);
      await pause(ROUND_MS, signal);
    }
    if (signal.aborted) leave('thawed');
    const code = process.env['FAILS'] as ErrorCode | undefined;
    if (code) throw new LockstepError(code, 'it is so, and stays so');
    signal.throwIfAborted();
    leave('done');
    return 0;
  },
});
await program.parseAsync();

function meetBug(how: string | undefined): void {
  const bug = () => {
    throw new Error('planted');
  };
  if (how === 'uncaught' || how === 'hangs') setImmediate(bug);
  if (how === 'rejection') void Promise.resolve().then(bug);
}
