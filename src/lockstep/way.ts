/** A way of writing to the target what follows the first write of a term. */
import { passes } from '../errors.js';
import type { Revision } from '../mvcc/revision.js';
import type { Position } from '../position.js';
import type { Data } from './stage.js';
import type { Throttle } from './throttle.js';

export interface Way {
  /** Whether each write puts a link (target/chain.ts), so that cursors have to count it. */
  readonly chained: boolean;
  /** The target's head as far as it is confirmed. */
  readonly position: Position;
  /**
   * Fillers up to `end`; returns how many there were to add.
   * @param dataFollows whether {@link write} is called next: then they may wait for it
   */
  fill(end: Revision, dataFollows: boolean): number;
  /**
   * The next revision, when the interval before it is filled; without records it only moves the cursor.
   * Resolves when there is room for another.
   */
  write(data: Data): Promise<void>;
  /**
   * Waits until it is known what has become of all that was sent, as far as that can be known. Nothing more
   * may be sent by then.
   * @throws the worst error: a foreign write outweighs a guard that failed, and that outweighs a
   *   connection that broke
   */
  settle(): Promise<void>;
}

export interface WayOptions {
  onLanded: (write: Data | 'filler') => void;
  /** Asked for each revision when it is sent for the first time. */
  throttle: Throttle;
  /** Nothing more is sent once it is aborted, from outside or by `stop`. */
  stopped: AbortSignal;
  /** Called when a write has failed. */
  stop: () => void;
}

/** Something landed that we had given up on, or somebody else writes: look again. */
export class GuardFailed extends Error {}

/** What counts of all that has failed. */
export function worst(errors: unknown[]): unknown {
  // What no other try mends, and bugs, come before what one does.
  const fatal = errors.find((e) => !passes(e) && !(e instanceof GuardFailed));
  return fatal ?? errors.find((e) => e instanceof GuardFailed) ?? errors[0];
}
