/** The exact commands that turn a base into a running target. */
import { isIP } from 'node:net';
import { isUnixUrl } from '../wire/address.js';
import { nameFor, quoted } from './typed.js';

/** Where the target is not named: one member, here. */
export const HERE = ['http://127.0.0.1:2379'];

/**
 * Restore and start, two lines for each member, all from the same file. Members are called after what is
 * moved, and talk to each other at the port above the one for clients.
 *
 * @param base path of the file
 * @param endpoints client URLs of the members, one each
 */
export function restoreCommands(
  base: string,
  prefixes: readonly string[],
  endpoints: readonly string[],
): string[] {
  const token = nameFor(prefixes);
  const members = endpoints.map((endpoint, i) => {
    const client =
      endpoint.includes('://') || isUnixUrl(endpoint) ? endpoint : `http://${endpoint}`;
    return { name: `${token}-${i}`, client, peer: peerOf(client) };
  });
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  return members.flatMap(({ name, client, peer }) => [
    `etcdutl snapshot restore ${quoted(base)} --data-dir ${name}.etcd --name ${name} --initial-cluster ${quoted(cluster)} --initial-cluster-token ${token} --initial-advertise-peer-urls ${quoted(peer)}`,
    `etcd --data-dir ${name}.etcd --name ${name} --listen-peer-urls ${quoted(listen(peer))} --listen-client-urls ${quoted(listen(client))} --advertise-client-urls ${quoted(client)}`,
  ]);
}

function peerOf(client: string): string {
  if (isUnixUrl(client)) return 'http://127.0.0.1:2380';
  const { hostname, port } = new URL(client);
  return `http://${hostname}:${Number(port) + 1}`;
}

/** etcd listens at addresses only; one with a name listens everywhere. */
function listen(url: string): string {
  if (isUnixUrl(url)) return url;
  const { protocol, hostname, port } = new URL(url);
  const host = isIP(hostname.replace(/^\[|\]$/g, '')) ? hostname : '0.0.0.0';
  return `${protocol}//${host}:${port}`;
}

/** @param given where the target will be; undefined where nobody has said */
export function restoreText(
  commands: readonly string[],
  given: readonly string[] | undefined,
): string {
  const several =
    given && given.length > 1 ? ', two lines on each host, all from the same file' : '';
  return [
    `Restore and start it${several} (on etcd 3.4: etcdctl instead of etcdutl):`,
    ...commands.map((line) => `  ${line}`),
    ...(given ? [] : ['For other addresses, and for several members: --dest-endpoints.']),
  ].join('\n');
}
