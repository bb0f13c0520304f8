import { execFile } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { removeAtExit, removeFolder } from './child.js';
import type { KeyPair } from './tls.js';

const run = promisify(execFile);

async function openssl(...args: string[]): Promise<void> {
  await run('openssl', args);
}

/** P-256: an RSA key takes longer than the rest of a test. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

interface Wanted {
  commonName?: string;
  /** Kubernetes takes it for the user's group. */
  organization?: string;
  /** Subject alternative names, such as `DNS:localhost`. */
  names?: readonly string[];
  /** Negative: it has expired by that much. */
  days?: number;
  /** extendedKeyUsage; both unless given. */
  usage?: string;
}

/** A CA that signs certificates into a folder. */
export class Authority {
  /** Path of its own certificate. */
  readonly cert: string;
  readonly #dir: string;
  readonly #name: string;
  #issued = 0;

  private constructor(dir: string, name: string) {
    this.#dir = dir;
    this.#name = name;
    this.cert = join(dir, `${name}.pem`);
  }

  static async create(dir: string, name: string): Promise<Authority> {
    const ca = new Authority(dir, name);
    const files = ['-keyout', join(dir, `${name}.key`), '-out', ca.cert];
    const usage = ['-addext', 'keyUsage=critical,keyCertSign,cRLSign'];
    await openssl('req', '-x509', ...NEW_KEY, ...files, ...usage, '-subj', `/CN=${name}`);
    return ca;
  }

  /** For a server at `names`. No common name: etcd would take that for a user's where it dials itself. */
  async server(names: readonly string[], days?: number): Promise<KeyPair> {
    return this.#issue({ names, ...(days === undefined ? {} : { days }) });
  }

  /** For a client; with authentication on, etcd takes the common name for the user's. */
  async client(commonName: string, organization?: string): Promise<KeyPair> {
    return this.#issue({ commonName, ...(organization === undefined ? {} : { organization }) });
  }

  /** For what the usage says: `serverAuth` alone, for one. */
  async usedFor(usage: string, names: readonly string[]): Promise<KeyPair> {
    return this.#issue({ usage, names, commonName: usage });
  }

  async #issue({
    commonName,
    organization = 'rig',
    names = [],
    days = 1,
    // Both, for servers too: etcd's JSON gateway shows the server's certificate as a client.
    usage = 'serverAuth,clientAuth',
  }: Wanted): Promise<KeyPair> {
    const at = join(this.#dir, `${this.#name}-${++this.#issued}`);
    const [cert, key, request] = [`${at}.pem`, `${at}.key`, `${at}.csr`];
    const extensions = [
      ...(names.length === 0 ? [] : [`subjectAltName=${names.join(',')}`]),
      `extendedKeyUsage=${usage}`,
    ].flatMap((extension) => ['-addext', extension]);
    const subject = [
      '-subj',
      `/O=${organization}${commonName === undefined ? '' : `/CN=${commonName}`}`,
    ];
    await openssl(
      'req',
      '-new',
      ...NEW_KEY,
      '-keyout',
      key,
      '-out',
      request,
      ...subject,
      ...extensions,
    );
    await openssl(
      ...['x509', '-req', '-in', request, '-out', cert, '-days', String(days)],
      ...['-copy_extensions', 'copy', '-CA', this.cert],
      ...['-CAkey', join(this.#dir, `${this.#name}.key`)],
    );
    return { cert, key };
  }
}

/** One of each kind, as paths of PEM files. */
export interface Certs {
  readonly ca: Authority;
  /** Signs nothing that the others trust. */
  readonly otherCa: Authority;
  /** For 127.0.0.1 and localhost. */
  readonly server: KeyPair;
  /** For a host of another name only. */
  readonly otherHost: KeyPair;
  readonly expired: KeyPair;
  /** For 127.0.0.1 and localhost, signed by `otherCa`. */
  readonly untrusted: KeyPair;
  /** A client's, its common name is `client`; `ca.client(…)` makes others. */
  readonly client: KeyPair;
  /** The same, signed by `otherCa`. */
  readonly untrustedClient: KeyPair;
  /** For servers alone (extendedKeyUsage), and for clients alone; for 127.0.0.1 both. */
  readonly serverOnly: KeyPair;
  readonly clientOnly: KeyPair;
  remove(): void;
}

/** Takes a quarter of a second; `remove()`, or the end of the process, deletes them. */
export async function makeCerts(): Promise<Certs> {
  const dir = mkdtempSync(join(tmpdir(), 'rig-certs-'));
  removeAtExit(dir);
  const [ca, otherCa] = await Promise.all([
    Authority.create(dir, 'ca'),
    Authority.create(dir, 'other-ca'),
  ]);
  const here = ['IP:127.0.0.1', 'DNS:localhost'];
  const [server, otherHost, expired, untrusted, client, untrustedClient, serverOnly, clientOnly] =
    await Promise.all([
      ca.server(here),
      ca.server(['DNS:other.test']),
      ca.server(here, -1),
      otherCa.server(here),
      ca.client('client'),
      otherCa.client('client'),
      ca.usedFor('serverAuth', here),
      ca.usedFor('clientAuth', here),
    ]);
  const only = { serverOnly, clientOnly };
  const pairs = { server, otherHost, expired, untrusted, client, untrustedClient, ...only };
  const remove = (): void => {
    removeFolder(dir);
  };
  return { ca, otherCa, ...pairs, remove };
}
