/** Checks of what is to be moved: its leases, its largest value, its encryption. */
import { bytes, count, duration } from '../text.js';
import { check, ok, warn, type Check } from './check.js';
import type { Contents } from './contents.js';
import type { Rates } from './rates.js';

/** etcd's default for --max-request-bytes; what a server has cannot be asked. */
const REQUEST_BYTES = 1.5 * 1024 * 1024;
/**
 * Cursor and guards of a transaction, and what puts around the row cost. The first write after each
 * start compares every slot, which is most of it (docs/fine-print.md).
 */
export const GUARD_BYTES = 4096;
/** A follower that is restarted, or its machine, is away for less. */
const SAFE_TTL_SECONDS = 600;
/** A revision of more records is many nested transactions; seen to pass at default settings. */
const MANY_EVENTS = 4096;

export function leases({ leases: seen }: Contents): Check {
  const { keys, leases: distinct, shortestTtl, asked } = seen;
  if (keys === 0) return check('leases', ok('No key hangs on a lease.'));
  const some = asked < distinct ? ` of the ${count(asked)} that were asked` : '';
  const ttl = shortestTtl === null ? 'which have ended meanwhile' : undefined;
  const found = `Keys that hang on a lease: ${count(keys)}, on ${count(distinct)} leases, ${ttl ?? `the shortest${some} of ${duration(shortestTtl ?? 0)}`}. Follow keeps them alive on the target`;
  if (shortestTtl === null || shortestTtl >= SAFE_TTL_SECONDS)
    return check('leases', ok(`${found}.`));
  return check(
    'leases',
    warn(
      `${found}, but when it is away for longer than that, the target deletes those keys by itself and cannot be followed into any more.`,
      'Let something restart follow within that time, or leave these keys where they are.',
    ),
  );
}

export function largestValue({ largest }: Contents, { largestRevision }: Rates): Check {
  if (!largest) return check('largest value', ok('There is no key.'));
  const found = `The largest key, ${largest.key}, has ${bytes(largest.bytes)}`;
  const findings =
    largestRevision > MANY_EVENTS
      ? [
          warn(
            `One revision had ${count(largestRevision)} events, each of which is an operation of one transaction on the target.`,
            'Start the target with --max-request-bytes=10485760.',
          ),
        ]
      : [];
  if (largest.bytes + GUARD_BYTES <= REQUEST_BYTES)
    return check(
      'largest value',
      ok(`${found}; a target with etcd's defaults takes ${bytes(REQUEST_BYTES)} with our guard.`),
      ...findings,
    );
  return check(
    'largest value',
    warn(
      `${found}, which with our guard does not fit a request of etcd's default size (${bytes(REQUEST_BYTES)}). What a server is set to cannot be asked.`,
      'Start the target with --max-request-bytes=10485760. The base is not bound by it, but the next change of that key is.',
    ),
    ...findings,
  );
}

export function encryption({ encrypted, keys }: Contents): Check {
  const name = 'encryption at rest';
  if (encrypted.length === 0) return check(name, ok('The values are not encrypted.'));
  const list = encrypted.map(({ provider, keys: n }) => `${provider} (${count(n)})`).join(', ');
  const total = encrypted.reduce((sum, { keys: n }) => sum + n, 0);
  const plain = keys > total ? `; ${count(keys - total)} are not encrypted` : '';
  return check(
    name,
    ok(
      `Values are encrypted by ${list}${plain}. They travel as they are, and can be read under the same key names only, which lockstep keeps.`,
      'Let every apiserver keep its --encryption-provider-config.',
    ),
  );
}
