/**
 * What any apiserver of a cluster can do is done by one that lives.
 *
 * All are asked to read first, side by side, and the first that answers does it: one that is dead or
 * paused costs nothing, wherever in the list it stands. Writing through all of them at once was
 * dropped: one that hangs keeps what it was sent, and writes it when it wakes up, long after another
 * has done it and it was undone. By the read before, that takes an apiserver that hangs between the
 * two requests.
 */
import { badArgument, LockstepError, passes } from '../errors.js';
import { expect } from './answer.js';
import type { ApiServer } from './api.js';

/**
 * @param path of an object, there or not, that an apiserver has to read from its etcd
 * @param use may be done again by another apiserver, where the answer of one was lost
 * @throws LockstepError KUBE_UNAVAILABLE where none answers, naming each; else what `use` throws
 */
export async function byLiving<T>(
  apis: readonly ApiServer[],
  path: string,
  use: (api: ApiServer) => Promise<T>,
): Promise<T> {
  if (apis.length === 0) throw badArgument('no apiserver is given', 'Name them in --apiservers.');
  const failures: LockstepError[] = [];
  let left = [...apis];
  while (left.length > 0) {
    const api = await firstToRead(left, path);
    try {
      return await use(api);
    } catch (error) {
      if (!passes(error)) throw error;
      failures.push(error);
      left = left.filter((other) => other !== api);
    }
  }
  throw noneLives(failures);
}

async function firstToRead(apis: readonly ApiServer[], path: string): Promise<ApiServer> {
  const answered = new AbortController();
  const reads = apis.map(async (api) => {
    expect(await api.get(path, undefined, answered.signal), 200, 404);
    return api;
  });
  try {
    return await Promise.any(reads);
  } catch (error) {
    throw error instanceof AggregateError ? noneLives(error.errors) : error;
  } finally {
    answered.abort();
  }
}

/** What no other try mends comes first: certificates, rights. */
function noneLives(failures: readonly unknown[]): unknown {
  const fatal = failures.find((error) => !passes(error));
  if (fatal !== undefined) return fatal;
  const messages = failures.map((error) => (error as LockstepError).message);
  return new LockstepError('KUBE_UNAVAILABLE', `no apiserver answers: ${messages.join('; ')}`, {
    hint: 'Check that they run and can be reached from here (curl -k URL/readyz), then run the same command again.',
    cause: failures[0],
  });
}
