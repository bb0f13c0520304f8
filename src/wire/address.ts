/**
 * An etcd's address, as etcdctl takes it: `http://host:port`, `https://host:port`, `unix:///path`,
 * `unixs:///path`; and as Node, grpc-js and people take it.
 */

/** What Node's net, tls and http dial. */
export type Address = { host: string; port: number } | { path: string };

const UNIX = /^unixs?:(\/\/)?/;

/** Of a member that is spoken to in TLS. */
export function isSecureUrl(endpoint: string): boolean {
  return /^(https|unixs):/.test(endpoint);
}

export function isUnixUrl(endpoint: string): boolean {
  return UNIX.test(endpoint);
}

/** gRPC would take a missing port for 443, and URL leaves out a scheme's own. */
export function addressOf(endpoint: string): Address {
  // A path may be relative, as etcd has it: `unix://localhost:2379` is a file of that name.
  if (isUnixUrl(endpoint)) return { path: endpoint.replace(UNIX, '') };
  const { hostname, port, protocol } = new URL(endpoint);
  const usual = protocol === 'https:' ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usual : Number(port) };
}

/** The same as grpc-js names it. */
export function grpcTarget(endpoint: string): string {
  const address = addressOf(endpoint);
  if ('path' in address) return `unix:${address.path}`;
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
