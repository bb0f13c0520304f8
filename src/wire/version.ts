/**
 * The version of an etcd that refuses its status to a user who is not root, as newer ones do: every
 * member also tells it at /version, to anybody.
 */
import type { TlsMaterial } from './connection.js';
import { getText } from './http.js';

/** @throws Error where it tells none */
export async function versionOf(endpoint: string, tls: TlsMaterial | undefined): Promise<string> {
  const { text } = await getText(endpoint, '/version', tls);
  const { etcdserver } = JSON.parse(text) as { etcdserver?: unknown };
  if (typeof etcdserver !== 'string') throw new Error(`${endpoint}/version tells no version`);
  return etcdserver;
}
