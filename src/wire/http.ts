/** What an etcd tells over plain HTTP, at the port where it also speaks gRPC. */
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import type { TlsMaterial } from './connection.js';
import { addressOf } from './address.js';

/** From the first packet to the last byte, so that one that drips is given up, too. */
const ANSWERS_WITHIN_MS = 5000;
/** A member's metrics are some 200 KiB; whatever sends more is no etcd. */
const MAX_BYTES = 8 * 1024 * 1024;

export interface HttpAnswer {
  text: string;
  /** The server's clock, in ms; it tells whole seconds. Undefined where there is no such header. */
  dateMs: number | undefined;
}

/** @throws Error where no whole answer comes in time, or one that is too long or no success */
export async function getText(
  endpoint: string,
  path: string,
  tls: TlsMaterial | undefined,
): Promise<HttpAnswer> {
  const { rootCertificate: ca, certChain: cert, privateKey: key } = tls ?? {};
  const address = addressOf(endpoint);
  const to = 'path' in address ? { socketPath: address.path } : address;
  const options = { ...to, path, agent: false };
  const request = tls ? https({ ...options, ca, cert, key }) : http(options);
  const late = setTimeout(() => {
    request.destroy(new Error(`${path}: no whole answer in ${ANSWERS_WITHIN_MS / 1000} s`));
  }, ANSWERS_WITHIN_MS);
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      request.once('error', reject);
      request.once('response', (answer) => {
        if (answer.statusCode !== 200)
          reject(new Error(`${path} was answered with ${answer.statusCode ?? 0}`));
        let text = '';
        answer.on('data', (chunk: Buffer) => {
          text += chunk.toString();
          if (text.length > MAX_BYTES) reject(new Error(`${path}: an answer that is too long`));
        });
        // One that breaks off, or is given up, tells it here and nowhere else.
        answer.once('error', reject);
        answer.once('end', () => {
          const date = Date.parse(answer.headers.date ?? '');
          resolve({ text, dateMs: Number.isNaN(date) ? undefined : date });
        });
      });
      request.end();
    });
  } finally {
    clearTimeout(late);
    request.destroy();
  }
}
