/**
 * Why no connection came about, where grpc-js cannot tell.
 *
 * It says "Failed to connect" of a TLS server that is spoken to plainly, and "disconnected" of a plain
 * one that is spoken to in TLS; and a server that refuses a client certificate may be gone before its
 * alert is read, because we have sent more meanwhile. So the connection is made once more by hand, and
 * nothing is sent over it.
 */
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import type { TlsMaterial } from './connection.js';
import { SPEAKS_PLAINLY, SPEAKS_TLS, tlsFault } from './tlsfault.js';

/** A server that has not objected for so long has no objection. */
const OBJECTS_WITHIN_MS = 500;
const CONNECTS_WITHIN_MS = 2000;

/** How HTTP/2 begins: its preface and an empty SETTINGS frame; a server answers with its own. */
const HTTP2_HELLO = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
const SETTINGS = 4;

/** @returns a text that tlsFault knows; undefined where nothing is wrong with TLS */
export async function diagnose(
  endpoint: string,
  material: TlsMaterial | undefined,
): Promise<string | undefined> {
  const { host, port } = addressOf(endpoint);
  if (!material) {
    const said = await handshake(host, port, { rejectUnauthorized: false });
    return said.secured || tlsFault(said.error) ? SPEAKS_TLS : undefined;
  }
  const { rootCertificate: ca, certChain: cert, privateKey: key } = material;
  const { error } = await handshake(host, port, { ca, cert, key });
  if (tlsFault(error, material)) return error;
  return (await speaksPlainly(host, port)) ? SPEAKS_PLAINLY : undefined;
}

/** What to dial; gRPC would take a missing port for 443, and URL leaves out a scheme's own. */
export function addressOf(endpoint: string): { host: string; port: number } {
  const { hostname, port, protocol } = new URL(endpoint);
  const usual = protocol === 'https:' ? 443 : 80;
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? usual : Number(port) };
}

/** Shakes hands, and waits for what the server says of our certificate: in TLS 1.3 that comes after it. */
function handshake(
  host: string,
  port: number,
  options: ConnectionOptions,
): Promise<{ secured: boolean; error: string }> {
  return new Promise((resolve) => {
    let secured = false;
    const socket = connectTls({ host, port, ...options, ALPNProtocols: ['h2'] });
    const end = (error: string) => {
      socket.destroy();
      resolve({ secured, error });
    };
    socket.setTimeout(CONNECTS_WITHIN_MS, () => {
      end('');
    });
    socket.once('secureConnect', () => {
      secured = true;
      socket.setTimeout(OBJECTS_WITHIN_MS);
    });
    socket.once('error', (error: Error) => {
      end(error.message);
    });
    socket.once('close', () => {
      end('');
    });
    socket.resume();
  });
}

function speaksPlainly(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket: Socket = connect({ host, port }, () => socket.write(HTTP2_HELLO));
    const end = (plain: boolean) => {
      socket.destroy();
      resolve(plain);
    };
    socket.setTimeout(CONNECTS_WITHIN_MS, () => {
      end(false);
    });
    socket.once('data', (data) => {
      end(data[3] === SETTINGS);
    });
    socket.once('error', () => {
      end(false);
    });
    socket.once('close', () => {
      end(false);
    });
  });
}
