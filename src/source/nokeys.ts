/**
 * A prefix that no key begins with. It is a slip (`/registry/pod/`, another `--etcd-prefix`, the wrong
 * etcd) far more often than it is meant, and all that is done with it succeeds: a base of nothing is
 * exact, and a mirror of nothing is synced at once.
 */
import { LockstepError, type ErrorSide } from '../errors.js';
import { prefixRange } from '../mvcc/prefix.js';
import type { EtcdClient } from '../wire/client.js';
import { whatIsThere } from './roots.js';

/** @throws LockstepError NO_KEYS for those of the prefixes that no key begins with now */
export async function refuseEmpty(client: EtcdClient, prefixes: readonly string[]): Promise<void> {
  const empty: string[] = [];
  for (const prefix of prefixes) {
    const { rows } = await client.range({ ...prefixRange(prefix), limit: 1, keysOnly: true });
    if (rows.length === 0) empty.push(prefix);
  }
  const [first] = empty;
  if (first === undefined) return;
  throw noKeys(empty, `the ${client.side}`, client.side, await whatIsThere(client, first));
}

/**
 * @param where it was looked for: a side, a file
 * @param instead what there is in its place, where that is known
 */
export function noKeys(
  prefixes: readonly string[],
  where: string,
  side: ErrorSide = 'this machine',
  instead?: string,
): LockstepError {
  const what = prefixes.includes('')
    ? 'has no keys'
    : `has no key that begins with ${prefixes.map((p) => JSON.stringify(p)).join(' or ')}`;
  return new LockstepError('NO_KEYS', `${where} ${what}; nothing was made`, {
    side,
    hint: `${instead === undefined ? '' : `${instead}. `}Check --prefix, letter by letter, and that this is the right etcd. If there are none yet, and that is meant, add --allow-empty.`,
  });
}

/** Which of some prefixes none of the keys begins with that go by. */
export class Unmatched {
  #left: { prefix: string; bytes: Buffer }[];

  constructor(prefixes: readonly string[]) {
    this.#left = prefixes.map((prefix) => ({ prefix, bytes: Buffer.from(prefix) }));
  }

  get prefixes(): string[] {
    return this.#left.map(({ prefix }) => prefix);
  }

  see(key: Buffer): void {
    if (this.#left.length === 0) return;
    this.#left = this.#left.filter(({ bytes }) => !key.subarray(0, bytes.length).equals(bytes));
  }
}
