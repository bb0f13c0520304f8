/** Endpoints, certificates and user of one side, put together from its options. */
import { readFileSync } from 'node:fs';
import { read as readFromTerminal } from 'read';
import { badArgument } from '../errors.js';
import { isSecureUrl, isUnixUrl } from '../wire/address.js';
import type { PeersOptions } from '../target/peers.js';
import type { Connection, TlsFiles } from '../wire/connection.js';
import { flagOf, optionOf, type OptionName } from './options.js';
import { calledIn, type Given } from './parse.js';

/** What says how to be let in by a side. */
const ACCESS = ['cacert', 'cert', 'key', 'user', 'password', 'passwordFile'] as const;

/** The options that say how to be let in by the source. */
export const SOURCE_ACCESS = ACCESS;

/** The same for the target. */
export const TARGET_ACCESS = [
  'destCacert',
  'destCert',
  'destKey',
  'destUser',
  'destPassword',
  'destPasswordFile',
] as const;

/** Both. */
export const BOTH_ACCESS = [...SOURCE_ACCESS, ...TARGET_ACCESS] as const;

export type SourceOptions = Given<'endpoints', (typeof SOURCE_ACCESS)[number]>;
export type TargetOptions = Given<'destEndpoints', (typeof TARGET_ACCESS)[number]>;

/** The values of one side, and the flag to blame for each. */
interface GivenAccess {
  endpoints: readonly string[];
  tls: TlsFiles;
  user: string | undefined;
  password: string | undefined;
  passwordFile: string | undefined;
  flag: (name: 'endpoints' | (typeof ACCESS)[number]) => string;
}

/** Asks for a password that is given nowhere. */
type Ask = (name: string, userFlag: string, fileFlag: string) => Promise<string>;

/** @throws LockstepError BAD_ARGUMENT for options that do not go together */
export async function sourceConnection(
  o: SourceOptions,
  ask: Ask = onTerminal,
): Promise<Connection> {
  return connection(ask, {
    endpoints: o.endpoints,
    tls: tlsFiles(o.cacert, o.cert, o.key),
    user: o.user,
    password: o.password,
    passwordFile: o.passwordFile,
    flag: (name) => calledIn(o, optionOf('source', name)),
  });
}

/** @throws LockstepError BAD_ARGUMENT for options that do not go together */
export async function targetConnection(
  o: TargetOptions,
  ask: Ask = onTerminal,
): Promise<Connection> {
  return connection(ask, {
    endpoints: o.destEndpoints,
    tls: tlsFiles(o.destCacert, o.destCert, o.destKey),
    user: o.destUser,
    password: o.destPassword,
    passwordFile: o.destPasswordFile,
    flag: (name) => calledIn(o, optionOf('target', name)),
  });
}

/** How the target's peer port is reached; undefined where nobody asks for it. */
export type PeerOptions = Given<never, (typeof PEERS)[number]>;

/** The options that say how. */
export const PEERS = ['destPeers', 'destPeerCacert', 'destPeerCert', 'destPeerKey'] as const;

/** @throws LockstepError BAD_ARGUMENT for options that do not go together */
export function peersOf(o: PeerOptions): PeersOptions | undefined {
  const { destPeers: urls } = o;
  const flag = (name: OptionName) => calledIn(o, name);
  const tls = tlsFiles(o.destPeerCacert, o.destPeerCert, o.destPeerKey);
  const given = PEERS.find((name) => name !== 'destPeers' && o[name] !== undefined);
  if (urls === undefined && given !== undefined)
    throw badArgument(`${flag(given)} is given, but no ${flagOf('destPeers')}`, PEERS_HINT);
  if (urls === undefined) return undefined;
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw badArgument(
      `${flag('destPeerCert')} and ${flag('destPeerKey')} belong together`,
      "Give both: a peer port with TLS asks for a client's certificate as a rule.",
    );
  if (given !== undefined && urls !== 'members' && !urls.some(isSecureUrl))
    throw badArgument(
      `certificates are given, but ${flag('destPeers')} says http://`,
      `Write https:// in ${flag('destPeers')}, or leave the certificates out.`,
    );
  return { urls, tls };
}

const PEERS_HINT = 'Add `--dest-peers members`, or leave the certificates of the peer port out.';

function tlsFiles(cacert?: string, cert?: string, key?: string): TlsFiles {
  return {
    ...(cacert === undefined ? {} : { cacert }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

async function connection(ask: Ask, given: GivenAccess): Promise<Connection> {
  const { tls, flag } = given;
  if ((tls.cert === undefined) !== (tls.key === undefined))
    throw badArgument(
      `${flag('cert')} and ${flag('key')} belong together`,
      'Give both, or none where the server asks for no client certificate.',
    );
  const urls = withScheme(given.endpoints, Object.keys(tls).length > 0, flag('endpoints'));
  const user = await credentials(ask, given);
  return { endpoints: urls, tls, ...(user ? { user } : {}) };
}

/** As etcdctl does it: a bare address is `https` where certificates are given. */
function withScheme(endpoints: readonly string[], hasTls: boolean, flag: string): string[] {
  const urls = endpoints.map((endpoint) =>
    endpoint.includes('://') || isUnixUrl(endpoint)
      ? endpoint
      : `${hasTls ? 'https' : 'http'}://${endpoint}`,
  );
  const secure = urls.filter(isSecureUrl).length;
  if (secure > 0 && secure < urls.length)
    throw badArgument(
      `${flag} has both http:// and https://`,
      'Give the members of one cluster, all with TLS (https://, unixs://) or all without.',
    );
  if (hasTls && secure === 0)
    throw badArgument(
      `certificates are given, but ${flag} says ${isUnixUrl(urls[0] ?? '') ? 'unix' : 'http'}://`,
      `Write ${isUnixUrl(urls[0] ?? '') ? 'unixs' : 'https'}:// in ${flag}, or leave the certificates out.`,
    );
  return urls;
}

async function credentials(ask: Ask, given: GivenAccess): Promise<Connection['user']> {
  const { password, passwordFile, flag } = given;
  const [userFlag, fileFlag] = [flag('user'), flag('passwordFile')];
  const { name, inline } = nameOf(given);
  const ways = [inline, password, passwordFile].filter((way) => way !== undefined).length;
  if (name === undefined || name === '') {
    if (ways === 0) return undefined;
    throw badArgument(`a password is given, but no ${userFlag}`, `Add ${userFlag}.`);
  }
  const secret = inline ?? password ?? fromFile(passwordFile, fileFlag);
  // One that is told behind the name, too, must not be taken for a part of it: names are printed.
  if (ways > 1 || (secret !== undefined && name.endsWith(`:${secret}`)))
    throw badArgument(
      'the password is given more than once',
      `Use one of ${userFlag} name:password, ${flag('password')} and ${fileFlag}.`,
    );
  return { name, password: secret ?? (await ask(name, userFlag, fileFlag)) };
}

/**
 * As etcdctl does it: `name:password`, with the first colon between them; but all of it is the name
 * (`system:master`) where the password is given otherwise.
 */
function nameOf({
  user,
  password,
  passwordFile,
}: Partial<Pick<GivenAccess, 'user' | 'password' | 'passwordFile'>>): {
  name: string | undefined;
  inline: string | undefined;
} {
  const otherwise = password !== undefined || passwordFile !== undefined;
  const colon = otherwise ? -1 : (user?.indexOf(':') ?? -1);
  if (user === undefined || colon < 0) return { name: user, inline: undefined };
  return { name: user.slice(0, colon), inline: user.slice(colon + 1) };
}

function fromFile(path: string | undefined, flag: string): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (cause) {
    throw badArgument(
      `${flag}: ${cause instanceof Error ? cause.message : String(cause)}`,
      'Name a file that holds the password and nothing else.',
    );
  }
}

async function onTerminal(name: string, userFlag: string, fileFlag: string): Promise<string> {
  if (!process.stdin.isTTY)
    throw badArgument(
      `no password for ${userFlag} ${name}, and no terminal to ask on`,
      `Give it in ${fileFlag}, or in the environment.`,
    );
  const prompt = `Password for ${name} (${userFlag}): `;
  try {
    return await readFromTerminal({ prompt, silent: true, output: process.stderr });
  } catch {
    // Ctrl-C: the terminal gives it to whoever asks, not to us as a signal.
    throw badArgument(`no password was given for ${name}`, `Give it here, or in ${fileFlag}.`);
  }
}
