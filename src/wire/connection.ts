/** What it takes to reach one etcd: addresses, certificates, a user. */
import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { LockstepError } from '../errors.js';

/** Paths of PEM files; they are read again whenever a connection has to be made anew. */
export interface TlsFiles {
  /** CAs that the servers' certificates are checked with; the usual public ones where it is missing. */
  cacert?: string;
  /** Client certificate and its key. */
  cert?: string;
  key?: string;
}

export interface Connection {
  /** URLs of members of one cluster, all `http://` or all `https://`. */
  endpoints: readonly string[];
  tls?: TlsFiles;
  user?: { name: string; password: string };
}

/** The content of {@link TlsFiles}. */
export interface TlsMaterial {
  rootCertificate?: Buffer;
  certChain?: Buffer;
  privateKey?: Buffer;
}

export function isSecure({ endpoints }: Connection): boolean {
  return endpoints.some((endpoint) => endpoint.startsWith('https:'));
}

/**
 * Reads the files and checks that TLS can be done with them.
 * @throws LockstepError BAD_ARGUMENT that names the file
 */
export function readTls({ cacert, cert, key }: TlsFiles): TlsMaterial {
  const material: TlsMaterial = {
    ...(cacert === undefined ? {} : { rootCertificate: readCertificates(cacert) }),
    ...(cert === undefined ? {} : { certChain: readCertificates(cert) }),
    ...(key === undefined ? {} : { privateKey: read(key) }),
  };
  try {
    createSecureContext({ cert: material.certChain, key: material.privateKey });
  } catch (cause) {
    throw bad(`the key ${key ?? ''} does not belong to the certificate ${cert ?? ''}`, cause);
  }
  return material;
}

export function channelCredentials(material: TlsMaterial | undefined): ChannelCredentials {
  if (!material) return credentials.createInsecure();
  const { rootCertificate, privateKey, certChain } = material;
  return credentials.createSsl(rootCertificate ?? null, privateKey ?? null, certChain ?? null);
}

function readCertificates(path: string): Buffer {
  const pem = read(path);
  try {
    new X509Certificate(pem);
  } catch (cause) {
    throw bad(`${path} holds no certificate in PEM`, cause);
  }
  return pem;
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw bad(`cannot read ${path}: ${cause instanceof Error ? cause.message : ''}`, cause);
  }
}

function bad(message: string, cause: unknown): LockstepError {
  return new LockstepError('BAD_ARGUMENT', message, {
    disposition: 'usage',
    hint: 'Give PEM files: the CA to --cacert, the client certificate to --cert and its key to --key (--dest-… for the target).',
    cause,
  });
}
