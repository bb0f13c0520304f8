/**
 * What a client sees of a store, by a client that is not ours: every live row under some prefixes, read
 * with etcd3.
 *
 * It is the other half of the oracle. The database file shows what is stored (rows.ts); this shows that
 * etcd serves just that, by another way than src/ reads: other messages, another decoder, no pages.
 */
import type { IKeyValue } from 'etcd3';
import { pause } from '../../src/async/again.js';
import type { Etcd } from '../rig/etcd.js';
import { withEtcd3 } from '../rig/etcd3.js';
import { liveAt, type OracleRow, type OracleRows } from './rows.js';

const SETTLES_WITHIN_MS = 30_000;

/** The live rows, in the order of their keys, and the head that they were read at. */
export interface Seen {
  rows: string[];
  head: number;
}

export async function seenBy3(
  etcd: Pick<Etcd, 'address'>,
  prefixes: readonly string[],
): Promise<Seen> {
  return askedAgain(() => readBy3(etcd, prefixes));
}

/** A server that has no leader for a moment is asked again, as it would be by any client. */
async function askedAgain<T>(ask: () => Promise<T>): Promise<T> {
  for (const until = Date.now() + SETTLES_WITHIN_MS; ;) {
    try {
      return await ask();
    } catch (error) {
      if (!/leader/.test(String(error)) || Date.now() > until) throw error;
    }
    await pause(100);
  }
}

async function readBy3(etcd: Pick<Etcd, 'address'>, prefixes: readonly string[]): Promise<Seen> {
  return withEtcd3(etcd, async (client) => {
    const rows: string[] = [];
    let head: number | undefined;
    for (const prefix of [...prefixes].sort()) {
      const read = client.getAll().prefix(prefix);
      if (head !== undefined) read.revision(head);
      const { kvs, header } = await read.exec();
      head ??= Number(header.revision);
      rows.push(...kvs.map(textOf));
    }
    return { rows, head: head ?? 0 };
  });
}

/** What the file says that a client should see now. */
export function toBeSeen({ rows, head }: OracleRows): Seen {
  return { rows: liveAt(rows, head).map(textOfRow), head };
}

function textOf(kv: IKeyValue): string {
  const { key, value, create_revision: create, mod_revision: mod, version, lease } = kv;
  return text(key, value, { create, mod, version, lease });
}

function textOfRow({ key, value, create, mod, version, lease }: OracleRow): string {
  return text(key, value, { create, mod, version, lease });
}

function text(key: Buffer, value: Buffer, numbers: Record<string, bigint | number | string>) {
  const named = Object.entries(numbers).map(([name, number]) => `${name} ${number}`);
  return `${key.toString('latin1')}: ${named.join(', ')}, ${value.toString('latin1')}`;
}
