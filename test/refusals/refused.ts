/** What every refusal has to have. */
import { expect } from 'chai';
import { errorOf, type CliError, type Ended } from '../cli/run.js';
import { fingerprint, type Stage } from '../cli/stage.js';
import type { Etcd } from '../rig/etcd.js';

export interface Refusal {
  code: string;
  exit: number;
}

/** One that no second try can mend. */
export function fatal(code: string): Refusal {
  return { code, exit: 5 };
}

/** One that only a new seed can mend. */
export function reseed(code: string): Refusal {
  return { code, exit: 4 };
}

/** Expects that a command with `-w json` ended so, with a hint that is a sentence. */
export function refusal(ended: Ended, { code, exit }: Refusal): CliError {
  expect(ended.code, ended.stderr).to.equal(exit);
  const error = errorOf(ended);
  expect(error.code).to.equal(code);
  expect(error.hint).to.match(/\w{3}.*\.$/);
  return error;
}

/** Follows, expects this refusal, and that it left the target exactly as it was. */
export async function refused(
  stage: Stage,
  journal: string,
  target: Etcd,
  want: Refusal,
): Promise<CliError> {
  const before = await fingerprint(target);
  const ended = await stage.follow(journal, target, '--until-synced');
  const error = refusal(ended, want);
  expect(await fingerprint(target)).to.deep.equal(before);
  return error;
}
