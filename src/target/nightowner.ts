/**
 * Who has the night: the key on the target that says which run may go on from here.
 *
 * A cutover, a rollback and a retire are begun on one machine and continued on another, and nobody can
 * tell from afar whether a run is dead, hangs, or is merely slow. So each run claims the night by
 * writing this key, and the key's mod_revision is its **epoch**. Every later write of the run is
 * guarded by that number (target/claim.ts): who has lost the night can change nothing any more.
 *
 * It is a key of its own beside the state (cutoverstate.ts), because fillers are guarded by it: the
 * state changes with every phase, the owner does not. JSON, to be read with
 * `etcdctl get etcd-lockstep/owner`.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { parseKeyValue } from '../mvcc/keyvalue.js';
import { OWN_PREFIX } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';

export const OWNER_KEY = Buffer.from(`${OWN_PREFIX}owner`);

const schema = z.object({
  /** Random id of the run. */
  run: z.string(),
  /** `cutover`, `rollback`, `fence`, `retire` */
  command: z.string(),
  host: z.string(),
  pid: z.number().int(),
  /** When the run began, by its own clock. */
  since: z.string(),
});

export type Owner = z.infer<typeof schema>;

/** The owner as it stands on the target. */
export interface StoredOwner {
  owner: Owner;
  /** Of the key: the epoch. */
  modRevision: Revision;
}

/** This process, as the owner of a night. */
export function thisRun(command: string): Owner {
  return {
    run: randomUUID(),
    command,
    host: hostname(),
    pid: process.pid,
    since: new Date().toISOString(),
  };
}

/** `cutover on host-a (pid 12, since 2026-11-29T04:57:00.000Z)` */
export function ownerText({ command, host, pid, since }: Owner): string {
  return `${command} on ${host} (pid ${pid}, since ${since})`;
}

export function encodeOwner(owner: Owner): Buffer {
  return Buffer.from(JSON.stringify(owner));
}

/**
 * @param row the key's KeyValue message
 * @throws LockstepError TARGET_NOT_OURS for anything that is no owner
 */
export function parseOwner(row: Uint8Array): StoredOwner {
  const { value, modRevision } = parseKeyValue(row);
  try {
    return { owner: schema.parse(JSON.parse(value.toString())), modRevision };
  } catch (cause) {
    throw new LockstepError('TARGET_NOT_OURS', `${OWNER_KEY.toString()} holds no owner`, {
      hint: 'It was written by another version of etcd-lockstep, or by hand. Use the version that began the cutover.',
      cause,
    });
  }
}

/** For the run that has lost the night, or comes in between. */
export function otherRun(stored: StoredOwner | undefined): LockstepError {
  const who = stored ? ownerText(stored.owner) : 'another run, which has ended it';
  return new LockstepError('OTHER_RUN', `the night has been taken over by ${who}`, {
    ...(stored ? { revision: stored.modRevision } : {}),
    hint: 'This run changes nothing any more, and lets no writes in. `etcd-lockstep status` says how far the other one is; if it is dead, its own command, started again anywhere, goes on.',
  });
}
