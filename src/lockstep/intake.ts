/** How the watch on the source fares while following, and bridges over gaps in its history. */
import type { Attempts, OnNote } from '../async/patience.js';
import { bridge, bridgedNote } from '../base/bridge.js';
import type { LockstepError } from '../errors.js';
import type { Journal } from '../journal/journal.js';
import type { EtcdClient } from '../wire/client.js';

interface IntakeOptions {
  journal: Journal;
  source: EtcdClient;
  onNote: OnNote;
}

export class Intake implements Attempts {
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

  failed(error: LockstepError): void {
    if (!this.#trouble) this.options.onNote(`${error.message}; trying again`, true);
    this.#trouble = error;
  }

  answered(): void {
    if (this.#trouble) this.options.onNote('the watch on the source goes on');
    this.#trouble = undefined;
  }

  /**
   * Makes up what the source has compacted away behind the journal.
   * @throws LockstepError GAP_NOT_EXACT; whatever another try may mend finds the same gap again
   */
  async bridge(signal: AbortSignal): Promise<void> {
    const { source, journal, onNote } = this.options;
    onNote(
      `the source has compacted away what came after revision ${journal.position}; reading what it holds now`,
      true,
    );
    this.#bridging = true;
    try {
      const bridged = await bridge(source, journal, signal);
      if (bridged) onNote(bridgedNote(bridged));
    } finally {
      this.#bridging = false;
    }
  }
}
