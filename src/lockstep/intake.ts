/** Source ─► journal while following: the capture, and bridges over gaps in the source's history. */
import { lastValueFrom, tap } from 'rxjs';
import { backoffMs, pause } from '../backoff.js';
import { bridge, type Bridged } from '../base/bridge.js';
import { hasCode, LockstepError, passes } from '../errors.js';
import { capture } from '../journal/capture.js';
import type { Journal } from '../journal/journal.js';
import type { OnNote } from '../patience.js';
import type { WatchLimits } from '../source/limits.js';
import type { EtcdClient } from '../wire/client.js';

export interface IntakeOptions {
  journal: Journal;
  /** A connection for the watch alone, and one for everything else. */
  sourceWatch: EtcdClient;
  source: EtcdClient;
  /** Goes on over a gap in the source's history (base/bridge.ts) where it would stop otherwise. */
  repair?: boolean;
  onNote: OnNote;
}

export class Intake {
  #trouble: LockstepError | undefined;
  #bridging = false;

  constructor(private readonly options: IntakeOptions) {}

  /** Why the watch on the source is being tried again; undefined while it is well. */
  get trouble(): LockstepError | undefined {
    return this.#trouble;
  }

  get bridging(): boolean {
    return this.#bridging;
  }

  /** @throws LockstepError HISTORY_GAP without `repair`, GAP_NOT_EXACT with it, SOURCE_CHANGED, … */
  async run(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await this.#capture(limits, signal);
      } catch (error) {
        if (!this.options.repair || !hasCode(error, 'HISTORY_GAP')) throw error;
        if (attempt > 0) await pause(backoffMs(attempt), signal);
        await this.#bridge(signal);
      }
    }
  }

  async #capture(limits: WatchLimits, signal: AbortSignal): Promise<void> {
    const { sourceWatch, journal, onNote } = this.options;
    const onRetry = (error: LockstepError) => {
      if (!this.#trouble) onNote(`${error.message}; trying again`, true);
      this.#trouble = error;
    };
    const onCaptured = () => {
      if (this.#trouble) onNote('the watch on the source goes on');
      this.#trouble = undefined;
    };
    await lastValueFrom(
      capture(sourceWatch, journal, { limits, signal, onRetry, onNote }).pipe(tap(onCaptured)),
      { defaultValue: undefined },
    );
  }

  /** What another try may mend is left to it: the capture finds the same gap again. */
  async #bridge(signal: AbortSignal): Promise<void> {
    const { source, journal, onNote } = this.options;
    onNote(
      `the source has compacted away what came after revision ${journal.position}; reading what it holds now`,
      true,
    );
    this.#bridging = true;
    try {
      const bridged = await bridge(source, journal, signal);
      if (bridged) onNote(bridgedNote(bridged));
    } catch (error) {
      if (signal.aborted) return;
      if (!passes(error)) throw error;
      onNote(`${error.message}; trying again`, true);
    } finally {
      this.#bridging = false;
    }
  }
}

function bridgedNote({ after, to, puts, deletions }: Bridged): string {
  return `bridged revisions ${after + 1} to ${to} with ${puts} puts and ${deletions} deletions: at ${to} every key is as on the source, the history in between is not`;
}
