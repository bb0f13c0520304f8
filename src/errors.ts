/**
 * Every error that etcd-lockstep raises on purpose.
 *
 * `code` says what happened (a closed union, part of the JSON contract), `disposition` what class
 * of reaction is right, `hint` what to do next. The exit code of the command line follows the
 * disposition. Values of keys, and secrets, never go into a message; key names may.
 */

/** What the caller can do about an error. */
export type Disposition = 'retry' | 'reseed' | 'fatal' | 'usage';

/** What happened: docs/reference.md has a line for each. */
export type ErrorCode =
  // usage
  | 'BAD_ARGUMENT'
  | 'FILE_EXISTS'
  | 'NO_KEYS'
  | 'NOTHING_COMPARED'
  | 'SAME_ETCD'
  // files
  | 'BOLT_DAMAGED'
  | 'SNAPSHOT_DAMAGED'
  | 'SNAPSHOT_NO_CHECKSUM'
  | 'JOURNAL_DAMAGED'
  | 'JOURNAL_LOCKED'
  | 'JOURNAL_OTHER'
  | 'JOURNAL_NOT_SEEDED'
  | 'IO'
  | 'OUTPUT_LOST'
  // source
  | 'HISTORY_GAP'
  | 'GAP_NOT_EXACT'
  | 'SOURCE_CHANGED'
  | 'SOURCE_INCONSISTENT'
  // target
  | 'TARGET_NOT_OURS'
  | 'TARGET_OTHER_SOURCE'
  | 'TARGET_OTHER_PREFIXES'
  | 'TARGET_HEAD_OFF'
  | 'TARGET_TAKEN_OVER'
  | 'TARGET_FOREIGN_WRITE'
  | 'TARGET_BEHIND_JOURNAL'
  | 'TARGET_AHEAD'
  | 'TARGET_NOT_EXACT'
  | 'TARGET_OTHER_GAP'
  | 'TARGET_IN_LOCKSTEP'
  | 'TARGET_CUT_OVER'
  | 'TARGET_DIFFERENT'
  | 'TARGET_INCONSISTENT'
  | 'LATE_WRITE'
  | 'NOT_DRAINED'
  | 'ROLLBACK_GONE'
  | 'OTHER_RUN'
  | 'OTHER_OBJECTS'
  | 'STILL_USED'
  | 'NO_GO'
  | 'MIRROR_INCOMPLETE'
  | 'REQUEST_TOO_LARGE'
  | 'NO_SPACE'
  // talking to etcd
  | 'UNAVAILABLE'
  | 'COMPACTED'
  | 'FUTURE_REVISION'
  | 'PERMISSION'
  | 'TLS'
  | 'ANSWER_TOO_LARGE'
  | 'NO_LEASE'
  | 'LEASE_EXISTS'
  | 'ETCD'
  // talking to Kubernetes
  | 'KUBE_UNAVAILABLE'
  | 'KUBE'
  | 'FREEZE_TAKEN'
  | 'FREEZE_LOST';

/** What an error says besides its code and message. */
export interface LockstepErrorOptions {
  disposition: Disposition;
  /** What the user should do next; one or two plain sentences. */
  hint?: string;
  /** The revision that the error is about, where there is one. */
  revision?: number;
  cause?: unknown;
}

/** An error that is raised on purpose, and what can be done about it. */
export class LockstepError extends Error {
  readonly code: ErrorCode;
  readonly disposition: Disposition;
  readonly hint: string | undefined;
  readonly revision: number | undefined;

  constructor(code: ErrorCode, message: string, options: LockstepErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LockstepError';
    this.code = code;
    this.disposition = options.disposition;
    this.hint = options.hint;
    this.revision = options.revision;
  }
}

/** Whether `error` is one of ours with one of these codes. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is LockstepError {
  return error instanceof LockstepError && codes.includes(error.code);
}

/** Whether another try may mend it. */
export function passes(error: unknown): error is LockstepError {
  return error instanceof LockstepError && error.disposition === 'retry';
}

/** Something that was given is wrong. */
export function badArgument(message: string, hint: string, cause?: unknown): LockstepError {
  return new LockstepError('BAD_ARGUMENT', message, { disposition: 'usage', hint, cause });
}
