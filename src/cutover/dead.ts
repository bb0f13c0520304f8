/**
 * Apiservers that are left out because they are dead, and whether they still are.
 *
 * One that comes back would serve from where it did before, and take writes once they are let in. So they
 * are asked all the time, beside everything else: one that hangs takes ten seconds to be told from one that
 * answers, which nobody should wait for in the freeze.
 */
import { pause } from '../backoff.js';
import { hasCode, LockstepError } from '../errors.js';
import type { ApiServer } from '../kube/api.js';

const ASK_AGAIN_MS = 1000;

export class DeadOnes {
  readonly #alive = new Set<string>();

  constructor(private readonly apis: readonly ApiServer[]) {}

  /** Asks each once. @throws LockstepError STILL_USED for one that answers */
  async refuseAlive(): Promise<void> {
    await this.#askAll();
    this.refuseSeen();
  }

  /** Asks until `signal` aborts. */
  async watch(signal: AbortSignal): Promise<void> {
    if (this.apis.length === 0) return;
    while (!signal.aborted) {
      await this.#askAll();
      await pause(ASK_AGAIN_MS, signal);
    }
  }

  /** @throws LockstepError STILL_USED for one that answered when it was asked last */
  refuseSeen(): void {
    const [url] = this.#alive;
    if (url === undefined) return;
    throw new LockstepError('STILL_USED', `${url} was left out as dead, and answers`, {
      disposition: 'fatal',
      hint: 'Stop it for good (process, unit, manifest), or take it out of --without. Then run the same command again.',
    });
  }

  async #askAll(): Promise<void> {
    await Promise.all(this.apis.map((api) => this.#ask(api)));
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
  }
}

/** Before anything was done: of one that should be there, and may be left out. */
export function doesNotAnswer(url: string, cause?: LockstepError): LockstepError {
  return new LockstepError('KUBE_UNAVAILABLE', cause?.message ?? `${url} does not answer`, {
    disposition: 'retry',
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
        errors.push(error);
        return undefined;
      }
    }),
  );
  const living = asked.filter((api) => api !== undefined);
  if (living.length === 0 && errors.length > 0) throw errors[0];
  return living;
}
