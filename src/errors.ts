/**
 * Every error that etcd-lockstep raises on purpose.
 *
 * `code` says what happened (a closed union, part of the JSON contract), `side` whom it is about, `hint`
 * what to do next. What class of reaction is right, the disposition, follows from the code, and the exit
 * code of the command line from that: what asks for two reactions has two codes. Values of keys, and
 * secrets, never go into a message; key names may.
 */

/** What the caller can do about an error. `output`: what was told, or came of it, is lost. */
export type Disposition = 'retry' | 'reseed' | 'fatal' | 'usage' | 'output';

/** Whom an error is about. */
export type ErrorSide = 'source' | 'target' | 'apiserver' | 'this machine';

/** Each code's reaction, and the side that it is always about, where there is one. */
const CODES = {
  // usage
  BAD_ARGUMENT: ['usage'],
  BAD_CONFIG: ['usage', 'this machine'],
  BAD_PATH: ['usage', 'this machine'],
  FILE_EXISTS: ['usage', 'this machine'],
  ENDPOINTS_DIFFER: ['usage'],
  CANNOT_LISTEN: ['usage', 'this machine'],
  NO_KEYS: ['usage'],
  NOTHING_COMPARED: ['usage'],
  SAME_ETCD: ['usage'],
  // files
  BOLT_DAMAGED: ['fatal', 'this machine'],
  NO_SNAPSHOT: ['usage', 'this machine'],
  SNAPSHOT_DAMAGED: ['usage', 'this machine'],
  SNAPSHOT_NO_CHECKSUM: ['usage', 'this machine'],
  SNAPSHOT_OTHER: ['usage', 'this machine'],
  JOURNAL_DAMAGED: ['reseed', 'this machine'],
  JOURNAL_LOCKED: ['usage', 'this machine'],
  JOURNAL_OTHER: ['usage', 'this machine'],
  JOURNAL_NOT_SEEDED: ['usage', 'this machine'],
  IO: ['fatal', 'this machine'],
  OUTPUT_LOST: ['output', 'this machine'],
  // source
  HISTORY_GAP: ['reseed'],
  GAP_NOT_EXACT: ['reseed', 'source'],
  SOURCE_CHANGED: ['reseed', 'source'],
  SOURCE_INCONSISTENT: ['retry', 'source'],
  // target
  TARGET_NOT_OURS: ['fatal', 'target'],
  TARGET_OTHER_SOURCE: ['fatal', 'target'],
  TARGET_OTHER_PREFIXES: ['fatal', 'target'],
  TARGET_HEAD_OFF: ['fatal', 'target'],
  TARGET_TAKEN_OVER: ['fatal', 'target'],
  TARGET_FOREIGN_WRITE: ['fatal', 'target'],
  TARGET_BEHIND_JOURNAL: ['reseed', 'target'],
  TARGET_AHEAD: ['reseed', 'target'],
  TARGET_NOT_EXACT: ['reseed', 'target'],
  TARGET_OTHER_GAP: ['fatal', 'target'],
  TARGET_IN_LOCKSTEP: ['fatal', 'target'],
  TARGET_CUT_OVER: ['fatal', 'target'],
  TARGET_DIFFERENT: ['fatal', 'target'],
  TARGET_INCONSISTENT: ['retry', 'target'],
  LATE_WRITE: ['fatal'],
  WRITTEN_MEANWHILE: ['retry'],
  NOT_DRAINED: ['retry'],
  ROLLBACK_GONE: ['fatal'],
  OTHER_RUN: ['fatal', 'target'],
  OTHER_OBJECTS: ['fatal', 'apiserver'],
  STILL_USED: ['fatal'],
  NO_GO: ['usage'],
  MIRROR_INCOMPLETE: ['retry', 'target'],
  MIRROR_OTHER_SOURCE: ['fatal', 'source'],
  REQUEST_TOO_LARGE: ['fatal', 'target'],
  NO_SPACE: ['retry'],
  PEER_PORT: ['retry', 'target'],
  // talking to etcd
  UNAVAILABLE: ['retry'],
  NOT_ETCD: ['fatal'],
  COMPACTED: ['reseed'],
  COMPACTED_MEANWHILE: ['retry'],
  FUTURE_REVISION: ['retry'],
  PERMISSION: ['fatal'],
  TLS: ['fatal'],
  TLS_LOST: ['retry'],
  ANSWER_TOO_LARGE: ['retry'],
  NO_LEASE: ['retry'],
  LEASE_EXISTS: ['retry'],
  ETCD: ['fatal'],
  // talking to Kubernetes
  KUBE_UNAVAILABLE: ['retry', 'apiserver'],
  KUBE: ['fatal', 'apiserver'],
  FREEZE_TAKEN: ['fatal', 'apiserver'],
  FREEZE_LOST: ['fatal', 'apiserver'],
  HOOK_MOVED: ['fatal', 'apiserver'],
} as const satisfies Record<string, readonly [Disposition, ErrorSide?]>;

/** What happened: docs/reference.md has a line for each. */
export type ErrorCode = keyof typeof CODES;

/** All of them, in the order of docs/reference.md. */
export const ERROR_CODES = Object.keys(CODES) as ErrorCode[];

export function dispositionOf(code: ErrorCode): Disposition {
  return CODES[code][0];
}

/** What an error says besides its code and message. */
export interface LockstepErrorOptions {
  /** Whom it is about, where the code alone does not say so. */
  side?: ErrorSide | undefined;
  /** What the user should do next; one or two plain sentences. */
  hint?: string | undefined;
  /** The revision that the error is about, where there is one. */
  revision?: number | undefined;
  cause?: unknown;
}

/** An error that is raised on purpose, and what can be done about it. */
export class LockstepError extends Error {
  readonly code: ErrorCode;
  readonly side: ErrorSide | undefined;
  readonly hint: string | undefined;
  readonly revision: number | undefined;

  constructor(code: ErrorCode, message: string, options: LockstepErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'LockstepError';
    this.code = code;
    this.side = options.side ?? (CODES[code] as readonly [Disposition, ErrorSide?])[1];
    this.hint = options.hint;
    this.revision = options.revision;
  }

  /** What can be done about it; it follows from the code. */
  get disposition(): Disposition {
    return dispositionOf(this.code);
  }

  /** The same in other words, or with another code or hint; what is left out stays. */
  as(other: { code?: ErrorCode; message?: string } & LockstepErrorOptions): LockstepError {
    const { code = this.code, message = this.message, ...options } = other;
    const { side, hint, revision } = this;
    return new LockstepError(code, message, { side, hint, revision, cause: this, ...options });
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

/** Whether nothing was reached that could have answered. */
export function isUnreachable(error: unknown): boolean {
  return hasCode(error, 'UNAVAILABLE', 'NOT_ETCD', 'TLS', 'TLS_LOST');
}

/** Whether the system said it, of a file or a disk. */
export function isSystemError(error: unknown): error is Error & { code?: string } {
  return error instanceof Error && 'errno' in error;
}

/** Something that was given is wrong. */
export function badArgument(message: string, hint: string, cause?: unknown): LockstepError {
  return new LockstepError('BAD_ARGUMENT', message, { hint, cause });
}
