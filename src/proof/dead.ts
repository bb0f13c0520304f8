/**
 * Apiservers that are left out because they are dead, and whether they still are.
 *
 * One that comes back would serve from where it did before, and take writes once they are let in. So they
 * are asked all the time, beside everything else, each by itself: one that hangs takes ten seconds to be told
 * from one that answers, which nobody should wait for in the freeze, nor with the others. Only the first
 * answer is waited for: who was never asked is not known to be dead.
 */
import { pause } from '../async/again.js';
import { Wakeup } from '../async/wakeup.js';
import { hasCode, LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';

const ASK_AGAIN_MS = 1000;

export class DeadOnes {
  readonly #alive = new Set<string>();
  /** Those that were asked, and have answered or not. */
  readonly #asked = new Set<string>();
  readonly #heard = new Wakeup();

  constructor(private readonly apis: readonly ApiServer[]) {}

  /** Asks each once. @throws LockstepError STILL_USED for one that answers */
  async refuseAlive(): Promise<void> {
    await Promise.all(this.apis.map((api) => this.#ask(api)));
    this.#refuse();
  }

  /** Asks until `signal` aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    const one = async (api: ApiServer) => {
      while (!signal.aborted) {
        await this.#ask(api);
        await pause(ASK_AGAIN_MS, signal);
      }
    };
    await Promise.all(this.apis.map(one));
  }

  /**
   * Beside {@link watch}: waits until each was asked at least once.
   * @throws LockstepError STILL_USED for one that answered when it was asked last
   */
  async refuseSeen(signal: AbortSignal): Promise<void> {
    for (let seen = this.#heard.generation; this.#asked.size < this.apis.length;) {
      await this.#heard.after(seen, signal);
      signal.throwIfAborted();
      seen = this.#heard.generation;
    }
    this.#refuse();
  }

  #refuse(): void {
    const [url] = this.#alive;
    if (url === undefined) return;
    throw new LockstepError('STILL_USED', `${url} was left out as dead, and answers`, {
      hint: 'Stop it for good (process, unit, manifest), or take it out of --without. Then run the same command again.',
    });
  }

  async #ask(api: ApiServer): Promise<void> {
    try {
      await api.get('/version');
      this.#alive.add(api.url);
    } catch (error) {
      if (hasCode(error, 'KUBE_UNAVAILABLE')) this.#alive.delete(api.url);
      // Whoever refuses our certificates is there.
      else this.#alive.add(api.url);
    }
    this.#asked.add(api.url);
    this.#heard.wake();
  }
}

/** Before anything was done: of one that should be there, and may be left out. */
export function doesNotAnswer(url: string, cause?: LockstepError): LockstepError {
  return new LockstepError('KUBE_UNAVAILABLE', cause?.message ?? `${url} does not answer`, {
    hint: `Bring it up. If it is dead and stays so, leave it out: --without ${url}. Nothing was changed.`,
    cause,
  });
}

/** Those that answer now. @throws LockstepError KUBE_UNAVAILABLE where none does */
export async function answering(apis: readonly ApiServer[]): Promise<ApiServer[]> {
  const errors: unknown[] = [];
  const asked = await Promise.all(
    apis.map(async (api) => {
      try {
        await api.get('/version');
        return api;
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        errors.push(error);
        return undefined;
      }
    }),
  );
  const living = asked.filter((api) => api !== undefined);
  if (living.length === 0 && errors.length > 0) throw errors[0];
  return living;
}
