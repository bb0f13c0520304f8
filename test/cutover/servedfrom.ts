/** Lists of pods as an apiserver makes them of a real etcd: its head, all keys, the first by name. */
import { keyOf, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import type { EtcdClient } from '../../src/wire/client.js';
import { PODS } from '../cli/stage.js';
import type { Asked, Reply } from '../kube/fake.js';

/** @returns undefined for what is no list of pods */
export async function listedFrom(etcd: EtcdClient, asked: Asked): Promise<Reply | undefined> {
  if (!isList(asked)) return undefined;
  const [, namespace] = /\/namespaces\/([^/]+)\/pods$/.exec(asked.path) ?? [];
  const range = prefixRange(namespace === undefined ? PODS : `${PODS}${namespace}/`);
  const limit = Number(asked.query.get('limit') ?? 0);
  const { header, rows, count } = await etcd.range({ ...range, limit });
  const rest = count - rows.length;
  const more = rest > 0 ? { continue: 'more', remainingItemCount: rest } : {};
  return [
    200,
    { metadata: { resourceVersion: String(header.revision), ...more }, items: rows.map(pod) },
  ];
}

function pod(row: Buffer): object {
  const [namespace, name] = keyOf(row).toString().slice(PODS.length).split('/');
  const resourceVersion = String(parseKeyValue(row).modRevision);
  return { metadata: { namespace, name, resourceVersion }, spec: {}, status: { phase: 'Running' } };
}

export function isList({ method, path }: Asked): boolean {
  return method === 'GET' && /^\/api\/v1(\/namespaces\/[^/]+)?\/pods$/.test(path);
}

/** The write that marks the freeze as held, right behind the takeover. */
export function isHold({ method, query }: Asked): boolean {
  return method === 'PATCH' && !query.has('dryRun');
}

/** The first write of a freeze, and not a question about rights, which is a POST as well. */
export function isFreeze({ method, path, query }: Asked): boolean {
  return method === 'POST' && path.includes('admissionregistration') && !query.has('dryRun');
}
