/**
 * Why no connection came about, where grpc-js cannot tell.
 *
 * It says "Failed to connect" of a TLS server that is spoken to plainly and of a web server alike,
 * "disconnected" of a plain one that is spoken to in TLS, and nothing but "deadline exceeded" of what
 * takes connections and is no etcd; and a server that refuses a client certificate may be gone before
 * its alert is read, because we have sent more meanwhile. So two connections are made by hand, one with
 * TLS and one without, at the same time, and what comes back is looked at. Nothing is sent but the
 * greeting of HTTP/2 (and, to a web server, a question for its metrics).
 *
 * A fault in TLS says nothing of who speaks there: "wrong version number" is what any server gets that
 * speaks first or answers in its own language. So what answers in TLS is a TLS server, and nothing else.
 */
import { addressOf, type Address } from './address.js';
import type { TlsMaterial } from './connection.js';
import { hear, type Heard } from './hear.js';
import { PeerFault } from './peerfault.js';
import { isEtcdMetrics, isHttp1, isHttp2, isPassing, nameOf } from './protocols.js';
import { flag, type Side } from './side.js';
import { SPEAKS_PLAINLY, SPEAKS_TLS, tlsFault } from './tlsfault.js';

/** A server that has not objected for so long has no objection. */
const OBJECTS_WITHIN_MS = 500;
const HEARD_WITHIN_MS = 2000;

/** How HTTP/2 begins: its preface and an empty SETTINGS frame; a server answers with its own. */
const HTTP2_HELLO = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const METRICS = Buffer.from('GET /metrics HTTP/1.0\r\n\r\n');
/** What OpenSSL says of an answer that is no TLS. */
const NO_TLS =
  /wrong version number|packet length too long|unknown protocol|http request|bad record type/;
const NO_HTTP2 = /no application protocol/;

/** What was found out, in place of an error that does not say it. */
export class Diagnosis extends PeerFault {
  constructor(
    readonly fault: 'NOT_ETCD' | 'UNAVAILABLE',
    what: string,
    readonly hint: (side: Side) => string,
  ) {
    super(what);
  }
}

/**
 * Takes two seconds at the most, or as long as `signal` lets it.
 * @returns a {@link Diagnosis}, or a fault with a text that tlsFault knows; undefined where nothing is
 *   found that is wrong
 */
export async function diagnose(
  endpoint: string,
  material: TlsMaterial | undefined,
  signal: AbortSignal,
): Promise<PeerFault | undefined> {
  const address = addressOf(endpoint);
  const { rootCertificate: ca, certChain: cert, privateKey: key } = material ?? {};
  const trust = material ? { ca, cert, key } : { rejectUnauthorized: false };
  const [secure, plain] = await Promise.all([
    hear(address, {
      tls: { ...trust, ALPNProtocols: ['h2'] },
      ...{ withinMs: HEARD_WITHIN_MS, thenMs: OBJECTS_WITHIN_MS, signal },
    }),
    hear(address, { say: HTTP2_HELLO, withinMs: HEARD_WITHIN_MS, signal }),
  ]);
  if (signal.aborted) return undefined;
  if (answersInTls(secure)) return material ? inTls(secure, material) : new PeerFault(SPEAKS_TLS);
  if (isHttp2(plain.bytes)) return material ? new PeerFault(SPEAKS_PLAINLY) : undefined;
  if (isPassing(plain.bytes)) return inItsPlace(plain);
  if (plain.bytes.length > 0) return notEtcd(await whoSpeaks(address, plain, signal));
  return saysNothing(plain);
}

function inItsPlace({ bytes }: Heard): Diagnosis {
  return new Diagnosis(
    'UNAVAILABLE',
    `${nameOf(bytes)} answers there in place of etcd`,
    () => 'Is there a proxy before it that cannot reach it now?',
  );
}

function answersInTls({ secured, error }: Heard): boolean {
  return secured || (tlsFault(error) !== undefined && !NO_TLS.test(error));
}

function inTls({ secured, alpn, error }: Heard, material: TlsMaterial): PeerFault | undefined {
  if (NO_HTTP2.test(error) || (secured && alpn !== 'h2' && error === ''))
    return notEtcd('a TLS server that does not speak HTTP/2, as etcd does,');
  return tlsFault(error, material) ? new PeerFault(error) : undefined;
}

async function whoSpeaks(address: Address, { bytes }: Heard, signal: AbortSignal): Promise<string> {
  if (!isHttp1(bytes)) return nameOf(bytes);
  const { bytes: told } = await hear(address, { say: METRICS, withinMs: HEARD_WITHIN_MS, signal });
  if (isEtcdMetrics(told)) return 'the port where an etcd tells its metrics over HTTP';
  return nameOf(bytes);
}

/** @param who "an ssh server" */
export function notEtcd(who: string): Diagnosis {
  return new Diagnosis(
    'NOT_ETCD',
    `${who} answers there, and not an etcd's port for clients`,
    (side) =>
      `Give ${flag(side, 'endpoints')} what etcd has in --advertise-client-urls: port 2379 as a rule. Its metrics (2381), an apiserver (6443) and its other members (2380) are at other ports.`,
  );
}

function saysNothing({ connected, closed, error }: Heard): Diagnosis | undefined {
  if (!connected)
    return error === ''
      ? new Diagnosis(
          'UNAVAILABLE',
          'nothing takes the connection, and nothing refuses it',
          () =>
            'Is the address right, and does the machine run? A firewall that drops packets looks the same.',
        )
      : undefined;
  return closed
    ? new Diagnosis(
        'UNAVAILABLE',
        'it takes connections and ends them at once',
        () =>
          'Is it etcd that listens there? A balancer or a port-forward with nothing behind it does that.',
      )
    : new Diagnosis(
        'UNAVAILABLE',
        'it takes connections and says nothing',
        () =>
          'Is it etcd that listens there, and does that hang? See its process and its log, and that the port is the one for clients.',
      );
}
