/** What the target is at this moment, and whether apiservers would be let in there. */
import { hasCode, isUnreachable, LockstepError } from '../errors.js';
import { keyOf } from '../mvcc/keyvalue.js';
import {
  MIRRORS_PREFIX,
  OWN_PREFIX,
  prefixRange,
  WHOLE_STORE,
  type KeyRange,
  type PrefixSet,
} from '../mvcc/prefix.js';
import { CURSOR_KEY } from '../target/cursor.js';
import { targetStatus, type TargetStatus } from '../target/targetstatus.js';
import { count } from '../text.js';
import { EtcdClient } from '../wire/client.js';
import { isSecure, type Connection } from '../wire/connection.js';
import { check, notAsked, ok, stop, warn, type Check, type Finding } from './check.js';

/** @param source to be held against the cursor; its errors are thrown, the target's are told */
export async function targetStock(
  target: EtcdClient,
  source: EtcdClient,
  prefixes: PrefixSet,
): Promise<Check> {
  try {
    const cursor = await target.few({ key: CURSOR_KEY, countOnly: true });
    if (cursor.count === 0) return check('target stock', await unmarked(target));
    const status = await targetStatus(target, source);
    const foreign = await outside(target, prefixes);
    return check('target stock', marked(status, prefixes), ...foreign);
  } catch (error) {
    return check('target stock', told(error));
  }
}

/** Who may read the prefixes and our own keys only does not see what else there is. */
async function ifReadable<T>(read: Promise<T>): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (hasCode(error, 'PERMISSION')) return undefined;
    throw error;
  }
}

const RESTORE =
  'Seed, and start follow. Restoring then replaces its data directory: stop it, restore the base, and start it on that.';

/** A target without our cursor: there should be nothing at all. */
async function unmarked(target: EtcdClient): Promise<Finding> {
  const all = await ifReadable(target.few({ ...WHOLE_STORE, limit: 1, keysOnly: true }));
  if (!all)
    return notAsked(
      'It has no cursor of ours; whether it is empty is not known, as its user may not read everything.',
      RESTORE,
    );
  const { rows, count: keys } = all;
  if (keys === 0) return ok('It is empty: the base is not restored yet.', RESTORE);
  const mirrors = await target.few({ ...prefixRange(MIRRORS_PREFIX), countOnly: true });
  if (mirrors.count > 0)
    return stop(
      'It is the target of a plain mirror, which writes there at revisions of its own.',
      'Give a new etcd to --dest-endpoints.',
    );
  const example = rows[0] ? keyOf(rows[0]).toString() : '';
  return stop(
    `It holds keys (${count(keys)}, the first is ${example}) and no cursor of ours: somebody else uses it.`,
    'Check --dest-endpoints. A target is made by restoring the base that seed seals; etcd-lockstep never writes into any other.',
  );
}

function marked({ cursor, position, trouble, lagRevisions }: TargetStatus, p: PrefixSet): Finding {
  if (trouble)
    return stop(
      `${sentence(trouble.message)} [${trouble.code}]`,
      trouble.hint ?? 'Make a new target from a new seed.',
    );
  if (!cursor || !p.equals(cursor.prefixes))
    return stop(
      `It holds ${cursor?.prefixes.join(', ') ?? 'nothing of ours'}, and this plan is for ${p.list.join(', ')}.`,
      'Give the same --prefix as to seed, or another target.',
    );
  return ok(
    `It is a copy of this source at revision ${position}, ${count(Math.max(0, lagRevisions ?? 0))} behind, and nobody but etcd-lockstep has written there.`,
    'Seeded and restored already: go on with follow.',
  );
}

/**
 * Keys that are neither of the prefixes nor ours: an apiserver's compactor leaves such a one. That
 * somebody has written there shows by the head already; this only says who.
 */
async function outside(target: EtcdClient, prefixes: PrefixSet): Promise<Finding[]> {
  const counted = async (range: KeyRange) =>
    (await target.range({ ...range, countOnly: true })).count;
  const known = [...prefixes.list, OWN_PREFIX].map(prefixRange);
  const all = await ifReadable(counted(WHOLE_STORE));
  if (all === undefined) return [];
  let covered = 0;
  for (const range of known) covered += await counted(range);
  if (all <= covered) return [];
  const compactor = await target.few({ key: Buffer.from('compact_rev_key'), countOnly: true });
  const who = compactor.count > 0 ? ', among them compact_rev_key: an apiserver uses it' : '';
  return [
    stop(
      `It holds keys of somebody else (${count(all - covered)})${who}.`,
      'Find out who writes there and stop that; then make a new target from a new seed.',
    ),
  ];
}

/**
 * kube-apiserver has one client certificate, key and CA for all its etcds, and no user. So what opens
 * the source has to open the target, too.
 */
export async function credentials(
  source: Connection,
  target: Connection,
  key: Uint8Array,
): Promise<Check> {
  const files = source.tls ?? {};
  const sourceTls = isSecure(source);
  if (!isSecure(target))
    return check(
      'credentials',
      sourceTls
        ? warn(
            'The target is spoken to without TLS, the source with it. Apiservers can do that, and everybody on the network can read and write the target.',
            'Give the target a certificate of the same CA.',
          )
        : ok('Neither side asks for certificates.'),
    );
  const client = new EtcdClient(
    { endpoints: target.endpoints, ...(sourceTls ? { tls: files } : {}) },
    'target',
  );
  try {
    await client.head(key);
    return check(
      'credentials',
      ok("The source's CA and client certificate open the target, as they must for an apiserver."),
    );
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    if (error.code === 'UNAVAILABLE')
      return check('credentials', notAsked('The target is not up.'));
    // Not the apiservers' certificate then, as they know no user and password.
    if (error.code === 'PERMISSION' && source.user)
      return check(
        'credentials',
        notAsked(
          "The source's CA and client certificate open the target, which then wants a user; apiservers have none but their certificate's common name.",
          "Give that common name a role on the target, and run plan with the apiservers' own files.",
        ),
      );
    return check(
      'credentials',
      stop(
        `An apiserver has one client certificate and CA for all etcds, and what opens the source does not open the target: ${error.message}.`,
        "Give the target a server certificate of the source's CA, and let its --trusted-ca-file be the one that signed the apiservers' client certificate (and, with authentication on, a role for its common name). Run plan with the apiservers' own files.",
      ),
    );
  } finally {
    client.close();
  }
}

function told(error: unknown): Finding {
  if (!(error instanceof LockstepError) || error.side === 'source') throw error;
  if (isUnreachable(error)) return notAsked('The target could not be asked.');
  return stop(`${sentence(error.message)} [${error.code}]`, error.hint ?? 'See docs/messages.md.');
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
