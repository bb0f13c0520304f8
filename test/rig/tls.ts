import { credentials, type ChannelCredentials } from '@grpc/grpc-js';
import { readFileSync } from 'node:fs';

/** Paths of a certificate and its key, as PEM files. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** What an etcd shows its clients, and asks of them. */
export interface TlsOptions extends KeyPair {
  /** Clients must show a certificate that this CA has signed. */
  readonly clientCa?: string;
  /**
   * The CA that the rig's own etcdctl checks the server's certificate with.
   * Without it nothing is checked: tests start servers with bad certificates too.
   */
  readonly ca?: string;
  /** What the rig itself shows where `clientCa` asks for it; default: the server's own pair. */
  readonly client?: KeyPair;
}

/** The flags of etcd for its clients. */
export function serverFlags(tls: TlsOptions | undefined): string[] {
  return flagsOf(tls, '');
}

/** The flags of etcd for its peers. */
export function peerFlags(tls: TlsOptions | undefined): string[] {
  return flagsOf(tls, 'peer-');
}

function flagsOf(tls: TlsOptions | undefined, whose: string): string[] {
  if (tls === undefined) return [];
  const flags = [`--${whose}cert-file=${tls.cert}`, `--${whose}key-file=${tls.key}`];
  if (tls.clientCa === undefined) return flags;
  return [...flags, `--${whose}client-cert-auth`, `--${whose}trusted-ca-file=${tls.clientCa}`];
}

/** The pair that clients of the rig show, undefined where none is asked for. */
function shown(tls: TlsOptions): KeyPair | undefined {
  return tls.clientCa === undefined ? undefined : (tls.client ?? tls);
}

/** The flags of etcdctl. */
export function ctlFlags(tls: TlsOptions | undefined): string[] {
  if (tls === undefined) return [];
  const pair = shown(tls);
  return [
    // etcdctl heeds the second of these only together with the first.
    ...(tls.ca === undefined
      ? ['--insecure-transport=false', '--insecure-skip-tls-verify']
      : [`--cacert=${tls.ca}`]),
    ...(pair === undefined ? [] : [`--cert=${pair.cert}`, `--key=${pair.key}`]),
  ];
}

/** For the rig's own questions, which only ask whether the server is there. */
export function rigCredentials(tls: TlsOptions | undefined): ChannelCredentials {
  if (tls === undefined) return credentials.createInsecure();
  const pair = shown(tls);
  return credentials.createSsl(
    null,
    pair === undefined ? null : readFileSync(pair.key),
    pair === undefined ? null : readFileSync(pair.cert),
    { rejectUnauthorized: false },
  );
}
