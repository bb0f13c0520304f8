/**
 * The version of an etcd that refuses its status to a user who is not root, as newer ones do: every
 * member also tells it at /version, to anybody.
 */
import { request as http } from 'node:http';
import { request as https } from 'node:https';
import type { TlsMaterial } from './connection.js';
import { addressOf } from './diagnose.js';

const ANSWERS_WITHIN_MS = 5000;
/** Far more than it takes. */
const MAX_BYTES = 4096;

/** @throws Error where it tells none */
export async function versionOf(endpoint: string, tls: TlsMaterial | undefined): Promise<string> {
  const { etcdserver } = JSON.parse(await get(endpoint, tls)) as { etcdserver?: unknown };
  if (typeof etcdserver !== 'string') throw new Error(`${endpoint}/version tells no version`);
  return etcdserver;
}

function get(endpoint: string, tls: TlsMaterial | undefined): Promise<string> {
  const options = { ...addressOf(endpoint), path: '/version', timeout: ANSWERS_WITHIN_MS };
  const { rootCertificate: ca, certChain: cert, privateKey: key } = tls ?? {};
  return new Promise((resolve, reject) => {
    const request = tls ? https({ ...options, ca, cert, key, agent: false }) : http(options);
    request.once('response', (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.length > MAX_BYTES) request.destroy(new Error('an answer that is too long'));
      });
      answer.once('end', () => {
        resolve(text);
      });
    });
    request.once('timeout', () => request.destroy(new Error('no answer')));
    request.once('error', reject);
    request.end();
  });
}
