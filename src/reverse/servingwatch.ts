/** Apiservers that have moved and serve from the source again: one may go back, with an old manifest. */
import { repeat } from '../async/again.js';
import { Lasting, type Attempts, type OnNote } from '../async/patience.js';
import type { Retries } from '../async/retries.js';
import { LockstepError, passes } from '../errors.js';
import type { ApiServer } from '../kube/api.js';
import type { Resource } from '../kube/resource.js';
import type { Heads } from '../proof/servedfrom.js';
import { servedFrom } from './checks.js';

const EVERY_MS = 10_000;

interface ServingWatchOptions {
  apiservers: readonly ApiServer[];
  resources: readonly Resource[];
  heads: () => Promise<Heads>;
  /** Told of each once, until it serves from the target again. */
  onAlarm: (alarm: string) => void;
  onNote: OnNote;
  retries: Retries;
  tell: Attempts;
}

export class ServingWatch {
  readonly #told = new Set<string>();

  constructor(private readonly o: ServingWatchOptions) {}

  /** Until `signal` aborts; without apiservers there is nothing to look at. */
  async run(signal: AbortSignal): Promise<void> {
    const { apiservers, tell } = this.o;
    if (apiservers.length === 0) return;
    const each = apiservers.map((api) => this.#patiently(api));
    const once = async () => {
      for (const one of each) await one();
    };
    await repeat(EVERY_MS, signal, once, tell);
  }

  /** One that has just started refuses this and that: no reason to end, nor to leave out the others. */
  #patiently(api: ApiServer): () => Promise<void> {
    const { retries, onNote } = this.o;
    const unknown = `whether ${api.url} serves from the source is not known`;
    const attempts = retries.of(new Lasting(unknown, onNote));
    return async () => {
      try {
        await this.#look(api);
        attempts.answered();
      } catch (error) {
        if (!(error instanceof LockstepError) || passes(error)) throw error;
        attempts.failed(error);
      }
    };
  }

  async #look(api: ApiServer): Promise<void> {
    const { resources, heads, onAlarm } = this.o;
    const { from } = await servedFrom(api, resources, heads);
    if (from === 'target') this.#told.delete(api.url);
    if (from !== 'source' || this.#told.has(api.url)) return;
    this.#told.add(api.url);
    onAlarm(
      `${api.url} serves from the source, where clients see what is brought back and nobody sees what they write: stop it or move it at once`,
    );
  }
}
