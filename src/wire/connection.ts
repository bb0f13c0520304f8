/** What it takes to reach one etcd: addresses, certificates, a user. */
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { badArgument } from '../errors.js';
import { isSecureUrl, isUnixUrl } from './address.js';
import { machineRoots } from './machineroots.js';

/** Paths of PEM files; they are read again whenever a connection has to be made anew. */
export interface TlsFiles {
  /** CAs that the servers' certificates are checked with; {@link machineRoots} where it is missing. */
  cacert?: string;
  /** Client certificate and its key. */
  cert?: string;
  key?: string;
}

/** One etcd: where its members are, and how to be let in by them. */
export interface Connection {
  /** URLs of members of one cluster, all with TLS (`https://`, `unixs://`) or all without. */
  endpoints: readonly string[];
  tls?: TlsFiles;
  user?: { name: string; password: string };
}

/**
 * What a program gives for one etcd, checked.
 * @throws LockstepError BAD_ARGUMENT for what is no URL, and for some with TLS and some without in one list
 */
export function connectionTo(at: string | Connection): Connection {
  const connection = typeof at === 'string' ? { endpoints: [at] } : at;
  const { endpoints } = connection;
  const odd = endpoints.find(
    (url) => !isUnixUrl(url) && !(URL.canParse(url) && /^https?:\/\//.test(url)),
  );
  if (odd !== undefined || endpoints.length === 0)
    throw badArgument(
      odd === undefined ? 'no endpoint given' : `the endpoint ${JSON.stringify(odd)} is no URL`,
      'Write it as http://10.0.0.1:2379, https://… or unix:///run/etcd.sock.',
    );
  if (isSecure(connection) && !endpoints.every(isSecureUrl))
    throw badArgument(
      'endpoints of one etcd are both http:// and https://',
      'Give the members of one cluster, all with TLS (https://, unixs://) or all without.',
    );
  return connection;
}

/** The content of {@link TlsFiles}. */
export interface TlsMaterial {
  /** Undefined: Node's own list. */
  rootCertificate?: Buffer;
  /** Whether a CA was given, so that none but that one counts. */
  caGiven?: boolean;
  certChain?: Buffer;
  privateKey?: Buffer;
  /** Of our own certificate: what is said when a server refuses it. */
  client?: {
    /** From when until when it holds, in ms. */
    fromMs: number;
    untilMs: number;
    /** Whether it may be shown to a server at all (extendedKeyUsage). */
    forClients: boolean;
  };
}

export function isSecure({ endpoints }: Connection): boolean {
  return endpoints.some(isSecureUrl);
}

/**
 * Reads the files and checks that TLS can be done with them.
 * @param flag what the flag of each is called
 * @throws LockstepError BAD_ARGUMENT that names file and flag
 */
export function readTls(
  { cacert, cert, key }: TlsFiles,
  flag: (name: string) => string,
): TlsMaterial {
  const flags = { cacert: flag('cacert'), cert: flag('cert'), key: flag('key') };
  const roots = cacert === undefined ? machineRoots() : readCertificates(cacert, flags.cacert);
  const material: TlsMaterial = {
    ...(roots === undefined ? {} : { rootCertificate: roots, caGiven: cacert !== undefined }),
    ...(cert === undefined ? {} : { certChain: readCertificates(cert, flags.cert) }),
    ...(key === undefined ? {} : { privateKey: readKey(key, flags.key) }),
  };
  const { certChain, privateKey } = material;
  try {
    createSecureContext({ cert: certChain, key: privateKey });
  } catch (cause) {
    throw badArgument(
      `the key ${key ?? ''} does not belong to the certificate ${cert ?? ''}`,
      `Give a client certificate to ${flags.cert} and its own key to ${flags.key}.`,
      cause,
    );
  }
  if (certChain) material.client = clientOf(new X509Certificate(certChain));
  return material;
}

const CLIENT_AUTH = ['1.3.6.1.5.5.7.3.2', '2.5.29.37.0'];

/** Without an extendedKeyUsage a certificate is for everything. */
function clientOf({
  validFrom,
  validTo,
  keyUsage,
}: X509Certificate): NonNullable<TlsMaterial['client']> {
  const usages = keyUsage as string[] | undefined;
  return {
    fromMs: Date.parse(validFrom),
    untilMs: Date.parse(validTo),
    forClients: usages?.some((usage) => CLIENT_AUTH.includes(usage)) ?? true,
  };
}

export function channelCredentials(material: TlsMaterial | undefined): ChannelCredentials {
  if (!material) return credentials.createInsecure();
  const { rootCertificate, privateKey, certChain } = material;
  return credentials.createSsl(rootCertificate ?? null, privateKey ?? null, certChain ?? null);
}

function readCertificates(path: string, flag: string): Buffer {
  const pem = read(path, flag);
  try {
    new X509Certificate(pem);
    // The one above also takes DER, which nobody takes where it is used.
    if (!pem.includes('-----BEGIN CERTIFICATE-----')) throw new Error('not PEM');
  } catch (cause) {
    const hint = `Give a file with ${flag} that begins with -----BEGIN CERTIFICATE-----.`;
    throw badArgument(`${path} holds no certificate in PEM`, hint, cause);
  }
  return pem;
}

function readKey(path: string, flag: string): Buffer {
  const pem = read(path, flag);
  try {
    createPrivateKey(pem);
  } catch (cause) {
    const hint = `Give the key of the client certificate with ${flag}, without a passphrase.`;
    throw badArgument(`${path} holds no private key in PEM`, hint, cause);
  }
  return pem;
}

function read(path: string, flag: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : '';
    throw badArgument(`cannot read ${path}: ${why}`, `Give a PEM file with ${flag}.`, cause);
  }
}
