/** What is wrong with an etcd's address as it was typed; the commonest slips are told by name. */
import { isUnixUrl } from '../wire/address.js';

const SHAPE = 'must look like http://10.0.0.1:2379, several with commas between them';
const BARE_IPV6 = /^(?:[0-9a-f]*:){2,}[0-9a-f.]*(?:%\w+)?$/i;

/** @returns undefined for one that can be dialled; a bare `10.0.0.1:2379` can */
export function endpointFault(text: string, userFlag: string): string | undefined {
  if (text === '') return `${SHAPE}: one of them is empty`;
  if (isUnixUrl(text))
    return /^unixs?:(\/\/)?$/.test(text) ? 'must name a socket: unix:///run/etcd.sock' : undefined;
  const [scheme = '', ...behind] = text.includes('://') ? text.split('://') : ['http', text];
  if (behind.length > 1) return `${SHAPE}: this one has two schemes`;
  const [rest = ''] = behind;
  // URL takes `[` for a user's name where an @ follows, so this comes first.
  const isUrl = URL.canParse(`http://${rest}`);
  const url = isUrl ? new URL(`http://${rest}`) : undefined;
  if (url && (url.username || url.password))
    return `must not hold a user or a password: use ${userFlag}`;
  if (!/^https?$/.test(scheme)) return `must begin with http://, https:// or unix://`;
  const host = rest.replace(/\/$/, '');
  if (BARE_IPV6.test(host))
    return `has an IPv6 address, which needs brackets: ${scheme}://[2001:db8::1]:2379`;
  if (!url) return SHAPE;
  if (!/:\d+$/.test(host.replace(/[/?#].*$/, '')))
    return `has no port: clients of an etcd are served at 2379 as a rule, ${scheme}://${url.host}:2379`;
  if (host.includes('/') || url.search || url.hash) return `${SHAPE}: nothing may follow the port`;
  return undefined;
}
