/** What the system and grpc-js say when no answer comes, in words; the system's own stand behind them. */

/** By the system's code for it. */
export const NETWORK: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the connection was closed',
  EPIPE: 'the connection was closed',
  EHOSTUNREACH: 'no way to this host',
  ENETUNREACH: 'no way to this network',
  EADDRNOTAVAIL: 'no way to this address from here',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name cannot be looked up now',
  ETIMEDOUT: 'no connection in time',
  ENOENT: 'there is no such socket',
  EACCES: 'this user may not connect to it',
  EPERM: 'this machine does not let us connect to it',
  EMFILE: 'this process has too many files open (ulimit -n)',
  ENFILE: 'this machine has too many files open',
};

/** What stands in the way, and what to do about it if that can be said. */
interface NetworkFault {
  what: string;
  hint?: string;
}

const CODE = new RegExp(`\\b(${Object.keys(NETWORK).join('|')})\\b`);
const DEADLINE = /^Deadline exceeded(?: after (\d+)[\d.]*s)?/;

/** @returns undefined for a text that is not about the network */
export function networkFault(text: string, endpoint: string): NetworkFault | undefined {
  if (text.startsWith('Name resolution failed')) {
    const what = 'its name cannot be resolved to an address';
    return { what, hint: 'Check how it is spelled, and the DNS of this machine (getent hosts).' };
  }
  const [late, seconds = '10'] = DEADLINE.exec(text) ?? [];
  if (late !== undefined)
    return { what: `no ${isNotConnected(text) ? 'connection' : 'answer'} in ${seconds} s` };
  const code = CODE.exec(text)?.[0];
  if (code === undefined) return undefined;
  const what = `${NETWORK[code] ?? ''} (${text})`;
  // The first address of that name is often IPv6's, and etcd listens on what its flags say.
  if (code === 'ECONNREFUSED' && /\/\/localhost[:/]/.test(endpoint) && text.includes('::1'))
    return { what, hint: 'localhost is ::1 here: does etcd listen on 127.0.0.1 alone? Give that.' };
  return { what };
}

/** Whether a call has waited for its connection until its time was over. */
export function isNotConnected(text: string): boolean {
  return DEADLINE.test(text) && /Waiting for LB pick|name resolution/.test(text);
}
