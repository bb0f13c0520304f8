/** Pods by copying what an etcd holds of one: faster than the API, and past every check of it. */
import { randomUUID } from 'node:crypto';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { EtcdClient } from '../../src/wire/client.js';
import type { Etcd } from '../rig/etcd.js';
import { PREFIX } from './lockstep.js';

/** Puts in one transaction; etcd's own limit is 128. */
const AT_ONCE = 100;

/**
 * Puts copies of a pod of the namespace default under these names, which must be as long as its own:
 * lengths are written in what is stored.
 */
export async function clonePod(etcd: Etcd, pod: string, names: readonly string[]): Promise<void> {
  const client = new EtcdClient(etcd.endpoint, 'source');
  const keyOf = (name: string) => Buffer.from(`${PREFIX}default/${name}`);
  try {
    const { rows } = await client.few({ key: keyOf(pod) });
    if (rows[0] === undefined) throw new Error(`there is no pod ${pod}`);
    const stored = parseKeyValue(rows[0]).value.toString('latin1');
    const uid = /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(stored)?.[0] ?? '';
    const puts = names.map((name) => {
      if (name.length !== pod.length) throw new Error(`${name} is not as long as ${pod}`);
      const value = stored.replaceAll(pod, name).replaceAll(uid, randomUUID());
      return { requestPut: { key: keyOf(name), value: Buffer.from(value, 'latin1') } };
    });
    for (let i = 0; i < puts.length; i += AT_ONCE) {
      await client.txn({ success: puts.slice(i, i + AT_ONCE) });
    }
  } finally {
    client.close();
  }
}
