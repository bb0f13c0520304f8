/**
 * What is wrong when no TLS connection comes about, in plain words.
 *
 * grpc-js hands OpenSSL's texts on, and what a server objects to is told in an alert: its words
 * differ from version to version of the server, so what we showed it is looked at, too.
 */
import type { TlsMaterial } from './connection.js';

/** A fault, and what to do about it; `flag` gives the name that a flag has for the side. */
interface TlsFault {
  what: string;
  hint: (flag: (name: string) => string, side: string) => string;
}

/** What {@link ./diagnose.js} finds out. */
export const SPEAKS_TLS = 'it speaks TLS, and the endpoint says http://';
export const SPEAKS_PLAINLY = 'it speaks no TLS, and the endpoint says https://';

interface TlsRule {
  match: RegExp;
  fault: (material: TlsMaterial) => TlsFault;
}

const RULES: TlsRule[] = [
  {
    match: new RegExp(SPEAKS_TLS),
    fault: () => ({
      what: SPEAKS_TLS,
      hint: (flag) =>
        `Write https:// in ${flag('endpoints')}, and give the CA of its certificate to ${flag('cacert')}.`,
    }),
  },
  {
    match: new RegExp(`${SPEAKS_PLAINLY}|wrong version number|packet length too long|EPROTO`),
    fault: () => ({
      what: SPEAKS_PLAINLY,
      hint: (flag) =>
        `Write http:// in ${flag('endpoints')}, and leave out ${flag('cacert')}, ${flag('cert')} and ${flag('key')}.`,
    }),
  },
  {
    match: /altnames/,
    fault: () => ({
      what: 'its certificate is not for this name or address',
      hint: (flag) =>
        `Use a name or address in ${flag('endpoints')} that the server's certificate is for.`,
    }),
  },
  {
    match: /certificate has expired|CERT_HAS_EXPIRED/,
    fault: () => ({ what: 'its certificate has expired', hint: renewTheServers }),
  },
  {
    match: /certificate is not yet valid|CERT_NOT_YET_VALID/,
    fault: () => ({ what: 'its certificate is not valid yet', hint: renewTheServers }),
  },
  {
    match: /alert (certificate|bad|unknown|unsupported|access)|alert \w+ certificate/,
    fault: ours,
  },
  {
    match: /self.signed|unable to (verify|get)|certificate signature failure|invalid CA/i,
    fault: ({ caGiven }) => ({
      what: caGiven
        ? 'its certificate was signed by another CA than the one that was given'
        : 'its certificate was signed by a CA that this machine does not know',
      hint: (flag) => `Give the CA that signed the server's certificate to ${flag('cacert')}.`,
    }),
  },
  {
    match: /unsu(pported|itable) certificate purpose/,
    fault: () => ({
      what: 'its certificate is not for servers: its extendedKeyUsage lacks serverAuth',
      hint: (_flag, side) =>
        `Have the ${side}'s server use a certificate that was issued for servers (extendedKeyUsage = serverAuth).`,
    }),
  },
  {
    match: /(key|md) too (weak|small)/,
    fault: () => ({
      what: 'its certificate is too weak: a key that is too short, or an old signature',
      hint: renewTheServers,
    }),
  },
  {
    match: /SSL routines/,
    fault: () => ({
      what: 'TLS cannot be agreed on',
      hint: (flag) => `Check that an etcd listens at ${flag('endpoints')}, and its TLS flags.`,
    }),
  },
];

/** @returns undefined for a text that is not about TLS */
export function tlsFault(text: string, material: TlsMaterial = {}): TlsFault | undefined {
  return RULES.find(({ match }) => match.test(text))?.fault(material);
}

function renewTheServers(_flag: unknown, side: string): string {
  return `Renew the certificate of the ${side}'s server, or check both machines' clocks.`;
}

/** The server objects to us: 3.4 says "bad certificate" to whatever it may be. */
function ours({ certChain, client }: TlsMaterial): TlsFault {
  if (!certChain)
    return {
      what: 'it asks for a client certificate, and none was given',
      hint: (flag) => `Give one that its CA has signed to ${flag('cert')} and ${flag('key')}.`,
    };
  if (client && client.untilMs < Date.now())
    return {
      what: 'it refuses our client certificate, which has expired',
      hint: (flag) => `Renew the client certificate in ${flag('cert')}.`,
    };
  if (client && client.fromMs > Date.now())
    return {
      what: 'it refuses our client certificate, which is not valid yet',
      hint: (flag) => `Check both machines' clocks, and the certificate in ${flag('cert')}.`,
    };
  if (client && !client.forClients)
    return {
      what: 'it refuses our client certificate, which is not for clients: its extendedKeyUsage lacks clientAuth',
      hint: (flag) =>
        `Give one to ${flag('cert')} and ${flag('key')} that was issued for clients (extendedKeyUsage = clientAuth); a server's own certificate often is not.`,
    };
  return {
    what: 'it refuses our client certificate',
    hint: (flag) =>
      `Give one that the CA in its --trusted-ca-file has signed to ${flag('cert')} and ${flag('key')}.`,
  };
}
