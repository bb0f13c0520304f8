/** The exact commands that turn a base into a running target. */
import { isIP } from 'node:net';
import { isUnixUrl } from '../wire/address.js';

export interface RestoreCommands {
  /** Restore, then start. */
  single: string[];
  /** The same for each of three members, on its own host; all restore the same file. */
  three: string[];
}

const ONE = ['http://127.0.0.1:2379'];
const THREE = ['http://10.0.0.1:2379', 'http://10.0.0.2:2379', 'http://10.0.0.3:2379'];

/** @param base path of the file */
export function restoreCommands(base: string): RestoreCommands {
  return { single: restoreAt(base, ONE), three: restoreAt(base, THREE) };
}

/**
 * Restore and start, two lines for each member, all from the same file. Members talk to each other
 * at the port above the one for clients.
 *
 * @param endpoints client URLs of the members
 */
export function restoreAt(base: string, endpoints: readonly string[]): string[] {
  const peers = endpoints.map(peerOf);
  const cluster = peers.map((peer, i) => `pods-${i}=${peer}`).join(',');
  return endpoints.flatMap((client, i) => member(base, `pods-${i}`, client, cluster));
}

function member(base: string, name: string, client: string, initial: string): string[] {
  const peer = peerOf(client);
  return [
    `etcdutl snapshot restore ${base} --data-dir ${name}.etcd --name ${name} --initial-cluster ${initial} --initial-cluster-token pods --initial-advertise-peer-urls ${peer}`,
    `etcd --data-dir ${name}.etcd --name ${name} --listen-peer-urls ${listen(peer)} --listen-client-urls ${listen(client)} --advertise-client-urls ${client}`,
  ];
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

export function restoreText({ single, three }: RestoreCommands): string {
  return [
    'Restore and start it as one member (on etcd 3.4: etcdctl instead of etcdutl):',
    ...single.map((line) => `  ${line}`),
    'or as several, two lines on each host, with your addresses for 10.0.0.x, all from the same file:',
    ...three.map((line) => `  ${line}`),
  ].join('\n');
}
