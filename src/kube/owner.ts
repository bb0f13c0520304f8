/** Whose freeze it is. It stands in annotations of the freeze objects, for people as for programs. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';

/** Which run a freeze was made by. */
export interface FreezeOwner {
  /** Of one run of one command; no other run has it. */
  run: string;
  /** `cutover on admin-1, pid 4711, since 2026-01-02T03:04:05.000Z` */
  text: string;
}

const RUN = 'etcd-lockstep.io/run';
const OWNER = 'etcd-lockstep.io/owner';
/** The target has been taken over: without the freeze one apiserver would write here and one there. */
const HOLD = 'etcd-lockstep.io/hold';

/** Merge patch of the metadata. */
export const HELD = { [HOLD]: 'true' };

type Annotations = Record<string, string>;

/** @param run where a command has an id of its run already */
export function freezeOwner(
  command: 'cutover' | 'rollback' | 'freeze apply',
  run: string = randomUUID(),
): FreezeOwner {
  const since = new Date().toISOString();
  return { run, text: `${command} on ${hostname()}, pid ${process.pid}, since ${since}` };
}

export function annotationsOf({ run, text }: FreezeOwner): Annotations {
  return { [RUN]: run, [OWNER]: text };
}

/** undefined: made by kubectl, or by a version that named none. */
export function ownerOf(annotations: Annotations = {}): FreezeOwner | undefined {
  const { [RUN]: run, [OWNER]: text = '?' } = annotations;
  return run === undefined ? undefined : { run, text };
}

export function isHeld(annotations: Annotations = {}): boolean {
  return annotations[HOLD] === 'true';
}

/** Whether no run waits for it: kubectl or `freeze apply` made it. */
export function madeByHand(owner: FreezeOwner | undefined): boolean {
  return owner === undefined || owner.text.startsWith('freeze apply on ');
}
