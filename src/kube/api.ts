/**
 * One apiserver: JSON over HTTP, asked at its own address.
 *
 * Everything that is sent may be sent twice: dry runs have no effect, and the freeze is written as a
 * whole. So a request that meets a connection which the server has just closed is sent once more.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, type RequestOptions } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import type { Answer } from './answer.js';
import { kubeFault } from './fault.js';

/** Of one request, connection and all. */
const ANSWERS_WITHIN_MS = 10_000;
/** The largest object that etcd takes, several times over. */
const MAX_ANSWER_BYTES = 16 << 20;

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
export type Query = Record<string, string>;

/** How to be let in. */
export interface Credentials {
  /** Certificates as node:tls wants them. */
  tls: Pick<RequestOptions, 'ca' | 'cert' | 'key' | 'servername' | 'rejectUnauthorized'>;
  headers: Record<string, string>;
  /** `name:password` of basic authentication. */
  auth?: string;
  /** The way through the kubeconfig's proxy. */
  proxy?: HttpAgent;
}

export class ApiServer {
  /** Without a slash at its end; may have a path. */
  readonly url: string;
  readonly #credentials: () => Promise<Credentials>;
  #agent: HttpAgent | undefined;
  #tls: Credentials['tls'] | undefined;

  /** @param credentials asked before each request: tokens and certificates are renewed meanwhile */
  constructor(url: string, credentials: () => Promise<Credentials>) {
    this.url = url.replace(/\/+$/, '');
    this.#credentials = credentials;
  }

  /** @throws LockstepError KUBE_UNAVAILABLE where no answer came within 10 s, TLS for certificates that do not fit */
  async get(path: string, query?: Query): Promise<Answer> {
    return this.#ask('GET', path, undefined, query);
  }

  /** As {@link get}. A PATCH is a JSON merge patch. */
  async send(
    method: Exclude<Method, 'GET'>,
    path: string,
    body?: unknown,
    query?: Query,
  ): Promise<Answer> {
    return this.#ask(method, path, body, query);
  }

  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #ask(method: Method, path: string, body: unknown, query: Query = {}): Promise<Answer> {
    const credentials = await this.#credentials();
    const url = new URL(this.url + path);
    url.search = new URLSearchParams(query).toString();
    const asked = `${method} ${this.url}${path}`;
    const request: Request = {
      url,
      body: body === undefined ? undefined : JSON.stringify(body),
      options: {
        method,
        agent: this.#agentFor(credentials),
        headers: headersFor(method, body, credentials),
        ...(credentials.auth === undefined ? {} : { auth: credentials.auth }),
        signal: AbortSignal.timeout(ANSWERS_WITHIN_MS),
      },
    };
    try {
      return { ...(await exchange(request)), asked };
    } catch (error) {
      throw kubeFault(error, asked, this.url);
    }
  }

  /** One for all requests, until a certificate is renewed. */
  #agentFor({ tls, proxy }: Credentials): HttpAgent {
    if (proxy) return (this.#agent ??= proxy);
    if (this.#agent && isDeepStrictEqual(tls, this.#tls)) return this.#agent;
    this.close();
    this.#tls = tls;
    const usual = { keepAlive: true, maxSockets: 8 };
    this.#agent = this.url.startsWith('http:')
      ? new HttpAgent(usual)
      : new HttpsAgent({ ...usual, ...tls });
    return this.#agent;
  }
}

interface Request {
  url: URL;
  body: string | undefined;
  options: RequestOptions;
}

function headersFor(
  method: Method,
  body: unknown,
  { headers }: Credentials,
): Record<string, string> {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return {
    accept: 'application/json',
    'user-agent': 'etcd-lockstep',
    ...(body === undefined ? {} : { 'content-type': type }),
    ...headers,
  };
}

async function exchange(request: Request, tries = 2): Promise<Pick<Answer, 'status' | 'body'>> {
  const { url, body, options } = request;
  const plain = url.protocol === 'http:';
  const sent = (plain ? httpRequest : httpsRequest)(url, options);
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      sent.once('response', resolve).once('error', reject);
      sent.end(body);
    });
    const text = await textOf(response);
    return { status: response.statusCode ?? 0, body: parsed(text) };
  } catch (error) {
    const closed = sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET';
    if (!closed || tries === 1) throw error;
    return exchange(request, tries - 1);
  }
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES)
      throw new Error(`its answer is larger than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
