/** What may be changed of a follower while it runs. */

/**
 * Read whenever it matters, so that a change has effect at once. What is undefined is as the follower
 * began with.
 */
export interface Steering {
  /** Revisions a second that are written to the target, at most; null: as many as go. */
  maxRate?: number | null;
  /** From the beginning of one audit to that of the next; null: none by itself. */
  auditEverySeconds?: number | null;
  /** Bytes that an audit reads of each side in a second, at most. */
  auditBytesPerSecond?: number;
  /** Set to have an audit as soon as it is in lockstep; the follower takes it back when one has begun. */
  auditNow?: boolean;
}
