/**
 * The version of an etcd that refuses its status to a user who is not root, as newer ones do: every
 * member also tells it at /version, to anybody.
 */
import { z } from 'zod';
import type { TlsMaterial } from './connection.js';
import { getText } from './http.js';
import { PeerFault } from './peerfault.js';

const page = z.object({ etcdserver: z.string() });

/** @throws PeerFault where it tells none */
export async function versionOf(endpoint: string, tls: TlsMaterial | undefined): Promise<string> {
  const { text } = await getText(endpoint, '/version', tls);
  try {
    return page.parse(JSON.parse(text)).etcdserver;
  } catch (cause) {
    throw new PeerFault(`${endpoint}/version tells no version`, { cause });
  }
}
