/**
 * One apiserver: JSON over HTTP, asked at its own address.
 *
 * Everything that is sent may be sent twice: dry runs have no effect, and the freeze is written as a
 * whole.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent, type RequestOptions } from 'node:https';
import { isDeepStrictEqual } from 'node:util';
import { exchange } from '../wire/http.js';
import type { Answer } from './answer.js';
import { kubeFault } from './fault.js';

/** Of one request, connection and all. */
const ANSWERS_WITHIN_MS = 10_000;
/** All paths of a few objects are asked at once; an apiserver takes some hundreds. */
const MAX_CONNECTIONS = 64;
/** The largest object that etcd takes, several times over. */
const MAX_ANSWER_BYTES = 16 << 20;

/** Of an HTTP request. */
export type HttpMethod = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
/** What stands behind the `?`. */
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

/** One apiserver, asked at its own address. {@link ApiServer.close} it in the end. */
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

  /**
   * @param signal ends the request at once, whatever the apiserver does with it; its reason is thrown
   * @throws LockstepError KUBE_UNAVAILABLE where no answer came within 10 s, TLS for certificates that do not fit
   */
  async get(path: string, query?: Query, signal?: AbortSignal): Promise<Answer> {
    return this.#ask('GET', path, undefined, query, signal);
  }

  /** As {@link get}. A PATCH is a JSON merge patch. */
  async send(
    method: Exclude<HttpMethod, 'GET'>,
    path: string,
    body?: unknown,
    query?: Query,
    signal?: AbortSignal,
  ): Promise<Answer> {
    return this.#ask(method, path, body, query, signal);
  }

  /**
   * Opens so many connections, so that what is asked next waits for no handshake.
   * @throws LockstepError as {@link get}
   */
  async warm(connections: number, signal?: AbortSignal): Promise<void> {
    const asks = Array.from({ length: connections }, async () =>
      this.get('/version', undefined, signal),
    );
    await Promise.all(asks);
  }

  /** Ends its connections. */
  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  async #ask(
    method: HttpMethod,
    path: string,
    body: unknown,
    query: Query = {},
    signal?: AbortSignal,
  ): Promise<Answer> {
    signal?.throwIfAborted();
    const credentials = await this.#credentials();
    const url = new URL(this.url + path);
    url.search = new URLSearchParams(query).toString();
    const asked = `${method} ${this.url}${path}`;
    try {
      const { status, text } = await exchange(url, {
        method,
        headers: headersFor(method, body !== undefined, credentials),
        body: body === undefined ? undefined : JSON.stringify(body),
        auth: credentials.auth,
        agent: this.#agentFor(credentials),
        withinMs: ANSWERS_WITHIN_MS,
        maxBytes: MAX_ANSWER_BYTES,
        signal,
      });
      return { status, body: parsed(text), asked };
    } catch (error) {
      signal?.throwIfAborted();
      throw kubeFault(error, asked, this.url);
    }
  }

  /** One for all requests, until a certificate is renewed. */
  #agentFor({ tls, proxy }: Credentials): HttpAgent {
    if (proxy) return (this.#agent ??= proxy);
    if (this.#agent && isDeepStrictEqual(tls, this.#tls)) return this.#agent;
    this.close();
    this.#tls = tls;
    const usual = { keepAlive: true, maxSockets: MAX_CONNECTIONS };
    this.#agent = this.url.startsWith('http:')
      ? new HttpAgent(usual)
      : new HttpsAgent({ ...usual, ...tls });
    return this.#agent;
  }
}

function headersFor(
  method: HttpMethod,
  hasBody: boolean,
  { headers }: Credentials,
): Record<string, string> {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  return {
    accept: 'application/json',
    'user-agent': 'etcd-lockstep',
    ...(hasBody ? { 'content-type': type } : {}),
    ...headers,
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
