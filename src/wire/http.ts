/** What an etcd tells over plain HTTP, at the port where it also speaks gRPC. */
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import type { TlsMaterial } from './connection.js';
import { addressOf } from './diagnose.js';

const ANSWERS_WITHIN_MS = 5000;
/** A member's metrics are some 200 KiB; whatever sends more is no etcd. */
const MAX_BYTES = 8 * 1024 * 1024;

export interface HttpAnswer {
  text: string;
  /** The server's clock, in ms; it tells whole seconds. Undefined where there is no such header. */
  dateMs: number | undefined;
}

/** @throws Error where no answer comes, or one that is too long or no success */
export function getText(
  endpoint: string,
  path: string,
  tls: TlsMaterial | undefined,
): Promise<HttpAnswer> {
  const options = { ...addressOf(endpoint), path, timeout: ANSWERS_WITHIN_MS };
  const { rootCertificate: ca, certChain: cert, privateKey: key } = tls ?? {};
  return new Promise((resolve, reject) => {
    const request = tls ? https({ ...options, ca, cert, key, agent: false }) : http(options);
    request.once('response', (answer) => {
      if (answer.statusCode !== 200)
        request.destroy(new Error(`${path} was answered with ${answer.statusCode ?? 0}`));
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.length > MAX_BYTES) request.destroy(new Error('an answer that is too long'));
      });
      answer.once('end', () => {
        const date = Date.parse(answer.headers.date ?? '');
        resolve({ text, dateMs: Number.isNaN(date) ? undefined : date });
      });
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
    request.end();
  });
}
