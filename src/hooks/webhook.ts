/**
 * Tells an event to a server: the JSON as the body of a POST.
 *
 * What may pass is tried again, with longer and longer rests, for as long as an event has: no answer, 408, 429
 * and 5xx. So an event may come twice; its id says so. Nothing is read of an answer but its status. A
 * redirection is not followed: where it leads nobody has given, and the address may hold a token.
 *
 * Tried and dropped: cockatiel's retry, whose rests do not end with the command.
 */
import { Backoff, pause, type Rest } from '../async/again.js';
import { within } from '../async/within.js';
import { ownVersion } from '../ownversion.js';
import { exchange } from '../wire/http.js';
import { machineRoots } from '../wire/machineroots.js';
import { asPeerFault, PeerFault } from '../wire/peerfault.js';

/** Of one try. */
const ANSWERS_WITHIN_MS = 10_000;
/** Of an event, tries and rests. */
const TOLD_WITHIN_MS = 30_000;
const FIRST_REST_MS = 1000;
const PASSES = [408, 429];

/** What may be printed of it: the path, too, is a secret as a rule. */
export function shownUrl({ protocol, host }: URL): string {
  return `${protocol}//${host}/…`;
}

/**
 * @param signal ends it
 * @returns how it failed; nothing if it did not
 */
export async function post(
  url: URL,
  body: string,
  signal: AbortSignal,
  withinMs = TOLD_WITHIN_MS,
): Promise<string> {
  return within(withinMs, signal, async (over) => {
    const rest: Rest = (attempt, until) => pause(FIRST_REST_MS * 2 ** attempt, until);
    const backoff = new Backoff(over, rest);
    const isOver = () => over.aborted;
    while (true) {
      const { failed, passes } = await tryOnce(url, body, over);
      if (!passes) return failed;
      await backoff.rest();
      if (isOver()) return failed;
    }
  });
}

async function tryOnce(
  url: URL,
  body: string,
  signal: AbortSignal,
): Promise<{ failed: string; passes: boolean }> {
  try {
    const { status } = await exchange(url, {
      ...{ method: 'POST', body, auth: authOf(url), agent: false, signal, statusOnly: true },
      headers: {
        'content-type': 'application/json',
        'user-agent': `etcd-lockstep/${ownVersion()}`,
      },
      tls: { ca: machineRoots() },
      ...{ withinMs: ANSWERS_WITHIN_MS, maxBytes: 0 },
    });
    if (status >= 200 && status < 300) return { failed: '', passes: false };
    const redirects = status >= 300 && status < 400;
    return {
      failed: `answered with ${status}${redirects ? ', which is not followed: give the address that it leads to' : ''}`,
      passes: status >= 500 || PASSES.includes(status),
    };
  } catch (error) {
    if (signal.aborted) return { failed: 'gave no answer in time', passes: false };
    const fault = asPeerFault(error);
    if (!(fault instanceof PeerFault)) throw error;
    return { failed: fault.message, passes: true };
  }
}

function authOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
}
