import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Authority } from '../rig/certs.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import type { KeyPair } from '../rig/tls.js';

/** The addresses that servers of the rig listen on: apiservers of one cluster share a port. */
export const HOSTS = ['127.0.0.1', '127.0.0.2', '127.0.0.3'] as const;

/** What the apiservers of one cluster share, as paths of PEM files. */
export interface Pki {
  readonly dir: string;
  readonly ca: Authority;
  readonly server: KeyPair;
  /** Of a cluster's administrator, who may do everything. */
  readonly admin: KeyPair;
  /** Its key signs the tokens of service accounts, its certificate checks them. */
  readonly serviceAccounts: KeyPair;
}

export async function makePki(): Promise<Pki> {
  const dir = mkdtempSync(join(tmpdir(), 'kube-rig-'));
  removeAtExit(dir);
  const ca = await Authority.create(dir, 'ca');
  const [server, admin, tokens] = await Promise.all([
    ca.server([...HOSTS.map((host) => `IP:${host}`), 'DNS:localhost']),
    ca.client('admin', 'system:masters'),
    ca.client('tokens'),
  ]);
  return { dir, ca, server, admin, serviceAccounts: tokens };
}

export function removePki(pki: Pki): void {
  removeFolder(pki.dir);
}

/** Writes a kubeconfig for a server and a user; returns its path. JSON is YAML. */
export function writeKubeconfig(pki: Pki, name: string, server: string, user: KeyPair): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'rig', cluster: { server, 'certificate-authority': pki.ca.cert } }],
    users: [{ name, user: { 'client-certificate': user.cert, 'client-key': user.key } }],
    contexts: [{ name: 'rig', context: { cluster: 'rig', user: name } }],
    'current-context': 'rig',
  };
  const path = join(pki.dir, `${name}.kubeconfig`);
  writeFileSync(path, JSON.stringify(config, undefined, 2));
  return path;
}

/** What a client of the tests needs for a TLS connection as this user. */
export function clientTls(pki: Pki, user: KeyPair): { ca: Buffer; cert: Buffer; key: Buffer } {
  return {
    ca: readFileSync(pki.ca.cert),
    cert: readFileSync(user.cert),
    key: readFileSync(user.key),
  };
}
