/** What the scenarios look at in the reports of `-w json`. */
import type { z } from 'zod';
import * as contract from '../cli/contract.js';
import type { Ended } from '../cli/run.js';
import { reportOf } from './move.js';

export type CutoverReport = z.infer<typeof contract.cutover>['cutover'];
export type RollbackReport = z.infer<typeof contract.rollback>['rollback'];
export type RetireReport = z.infer<typeof contract.retire>['retire'];

export function cutoverReport(ended: Ended): CutoverReport {
  return contract.cutover.parse(reportOf(ended)).cutover;
}

export function rollbackReport(ended: Ended): RollbackReport {
  return contract.rollback.parse(reportOf(ended)).rollback;
}

export function retireReport(ended: Ended): RetireReport {
  return contract.retire.parse(reportOf(ended)).retire;
}

/** In seconds, for whoever reads along. */
export function freezeText({ frozenSeconds, ownSeconds, steps }: CutoverReport): string {
  const each = steps.map(({ step, seconds }) => `${step} ${seconds.toFixed(2)}`).join(', ');
  const frozen = frozenSeconds === null ? '?' : frozenSeconds.toFixed(2);
  return `frozen for ${frozen} s, of which ours ${ownSeconds.toFixed(2)} s (${each})`;
}
