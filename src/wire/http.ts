/**
 * One request over HTTP and its whole answer: of an apiserver, and of an etcd, which tells some things in
 * that way at the port where it also speaks gRPC.
 *
 * Whatever the peer does it is over in time: the limit is for all of it, from the first packet to the
 * last byte, so that an answer that drips or stops is given up, too.
 */
import { request as http, type Agent } from 'node:http';
import { request as https, type RequestOptions } from 'node:https';
import { within } from '../async/within.js';
import { addressOf } from './address.js';
import type { TlsMaterial } from './connection.js';
import { asPeerFault, PeerFault } from './peerfault.js';

interface HttpRequest {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array | undefined;
  /** `name:password` of basic authentication. */
  auth?: string | undefined;
  /** Certificates as node:tls wants them, where the agent does not have them. */
  tls?: Pick<RequestOptions, 'ca' | 'cert' | 'key'>;
  /** false: a connection of its own, closed behind the answer. */
  agent: Agent | false;
  /** A socket of this machine, in place of the URL's host. */
  socketPath?: string | undefined;
  /** Of an answer that is no success the first words are enough: it may break off behind them, or never end. */
  firstWords?: boolean;
  /** Nothing of the answer is read but this: it may be of any length, or never end. */
  statusOnly?: boolean;
  withinMs: number;
  maxBytes: number;
  /** Ends it at once. */
  signal?: AbortSignal | undefined;
}

export interface HttpAnswer {
  status: number;
  text: string;
  /** The server's clock, in ms; it tells whole seconds. Undefined where there is no such header. */
  dateMs: number | undefined;
}

/**
 * Where the server closes a kept connection at that very moment, the request is sent once more on another:
 * so it must be one that may be sent twice.
 * @throws PeerFault where no whole answer comes in time, or one that is too long
 */
export async function exchange(url: URL, request: HttpRequest): Promise<HttpAnswer> {
  const { withinMs, signal = new AbortController().signal } = request;
  return within(withinMs, signal, async (over, isLate) => {
    try {
      return await send(url, { ...request, signal: over });
    } catch (error) {
      if (!isLate()) throw error;
      throw new PeerFault(`no whole answer in ${withinMs / 1000} s`, { cause: error });
    }
  });
}

async function send(url: URL, wanted: HttpRequest, tries = 2): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, auth, tls, agent, socketPath, signal } = wanted;
  // Node sends the body of a DELETE without its length, and no server takes that.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  const start = url.protocol === 'http:' ? http : https;
  const request = start(url, {
    ...{ method, agent, auth, socketPath, signal, ...tls },
    headers: { ...headers, ...length },
  });
  try {
    return await new Promise<HttpAnswer>((resolve, reject) => {
      let answers = false;
      request.on('error', reject);
      // Node drops a connection whose server wants to speak something else on it, and tells nothing but this.
      request.once('close', () => {
        if (!answers) reject(new PeerFault('the connection was closed', { code: 'ECONNRESET' }));
      });
      request.once('response', (answer) => {
        answers = true;
        const chunks: Buffer[] = [];
        let bytes = 0;
        const { statusCode: status = 0 } = answer;
        const end = () => {
          const date = Date.parse(answer.headers.date ?? '');
          const text = Buffer.concat(chunks).toString();
          resolve({ status, text, dateMs: Number.isNaN(date) ? undefined : date });
        };
        // One that breaks off, or is given up, tells it here and nowhere else.
        answer.once('error', reject);
        if (wanted.statusOnly) {
          end();
          request.destroy();
          return;
        }
        answer.on('data', (chunk: Buffer) => {
          chunks.push(chunk);
          bytes += chunk.length;
          if (wanted.firstWords && status >= 400) {
            end();
            request.destroy();
          }
          if (bytes > wanted.maxBytes)
            reject(new PeerFault(`its answer is larger than ${wanted.maxBytes} bytes`));
        });
        answer.once('end', end);
      });
      request.end(body);
    });
  } catch (error) {
    request.destroy();
    const fault = told(error);
    const closed = fault instanceof PeerFault && fault.code === 'ECONNRESET';
    if (!request.reusedSocket || !closed || tries === 1) throw fault;
    return send(url, wanted, tries - 1);
  }
}

const MISTAKES = [TypeError, RangeError, SyntaxError, ReferenceError];

/** What a request tells is the network's; agents for proxies have no code for it, only words. */
function told(error: unknown): unknown {
  const fault = asPeerFault(error);
  if (fault instanceof PeerFault || !(error instanceof Error)) return fault;
  if (error.name === 'AbortError' || MISTAKES.some((kind) => error instanceof kind)) return error;
  return new PeerFault(error.message, { cause: error });
}

/** Of an etcd's page, connection and all. */
const PAGE_WITHIN_MS = 5000;
/** A member's metrics are some 200 KiB; whatever sends more is no etcd. */
const PAGE_BYTES = 8 * 1024 * 1024;

/**
 * A page of an etcd.
 * @throws PeerFault where no whole page comes in time, or one that is too long or no success
 */
export async function getText(
  endpoint: string,
  path: string,
  tls: TlsMaterial | undefined,
): Promise<HttpAnswer> {
  const { rootCertificate: ca, certChain: cert, privateKey: key } = tls ?? {};
  const address = addressOf(endpoint);
  const socketPath = 'path' in address ? address.path : undefined;
  const origin = socketPath === undefined ? endpoint : `http${tls ? 's' : ''}://localhost`;
  const answer = await exchange(new URL(path, origin), {
    ...{ tls: { ca, cert, key }, agent: false, socketPath },
    withinMs: PAGE_WITHIN_MS,
    maxBytes: PAGE_BYTES,
  });
  if (answer.status !== 200) throw new PeerFault(`${path} was answered with ${answer.status}`);
  return answer;
}
