/**
 * A client of the Kubernetes API for tests: JSON over node:https, and nothing of
 * the code under test, because what it sees is the truth that code is judged by.
 */
import { Agent, request, type RequestOptions } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { clientTls, type Pki } from './pki.js';

const ANSWER_WITHIN_MS = 15_000;

export interface Meta {
  readonly name: string;
  readonly namespace?: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly creationTimestamp: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly { readonly name: string }[];
}

/** An object of any kind, as far as tests look into it. */
export interface KubeObject {
  readonly kind?: string;
  readonly metadata: Meta;
  readonly spec?: Readonly<Record<string, unknown>>;
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface KubeList {
  readonly metadata: { readonly resourceVersion: string; readonly continue?: string };
  readonly items: KubeObject[];
}

/** What an apiserver answers in place of an object where it refuses. */
export interface Status {
  readonly kind: 'Status';
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: { readonly causes?: readonly { readonly reason?: string }[] };
}

export interface Answer {
  readonly status: number;
  /** Parsed JSON; text where it is none. */
  readonly body: unknown;
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  /** A Status where the type is ERROR. */
  readonly object: KubeObject | Status;
}

/** An answer that is not the one that was expected. */
export class KubeError extends Error {
  constructor(
    what: string,
    readonly status: number,
    /** Of the apiserver's Status, where it sent one. */
    readonly body: Partial<Status>,
  ) {
    super(`${what}: ${status} ${body.reason ?? ''} ${body.message ?? ''}`);
  }
}

export type Query = Readonly<Record<string, string | number | boolean>>;

const DELETE_OPTIONS = { apiVersion: 'v1', kind: 'DeleteOptions' };
const PATCH_TYPE = 'application/merge-patch+json';

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

async function read(message: IncomingMessage): Promise<string> {
  message.setEncoding('utf8');
  let text = '';
  for await (const chunk of message) text += chunk as string;
  return text;
}

function failed(what: string, { status, body }: Answer): KubeError {
  const said = typeof body === 'object' && body !== null ? body : { message: String(body) };
  return new KubeError(what, status, said);
}

export class KubeClient {
  readonly url: string;
  readonly #agent: Agent;

  /** As the cluster's administrator, at an apiserver or the balancer. */
  constructor(pki: Pki, url: string) {
    this.url = url;
    this.#agent = new Agent({ keepAlive: true, ...clientTls(pki, pki.admin) });
  }

  /** Any answer is one, whatever its status; throws where none came. */
  async send(method: string, path: string, body?: object, query: Query = {}): Promise<Answer> {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const type = method === 'PATCH' ? PATCH_TYPE : 'application/json';
    const message = await this.#open(
      path,
      query,
      {
        method,
        timeout: ANSWER_WITHIN_MS,
        // Node sends the body of a DELETE without its length unless told to.
        headers:
          payload === undefined
            ? {}
            : { 'content-type': type, 'content-length': Buffer.byteLength(payload) },
      },
      payload,
    );
    return { status: message.statusCode ?? 0, body: parse(await read(message)) };
  }

  async #object(method: string, path: string, body?: object, query?: Query): Promise<KubeObject> {
    const answer = await this.send(method, path, body, query);
    if (answer.status >= 300) throw failed(`${method} ${path}`, answer);
    return answer.body as KubeObject;
  }

  async get(path: string, query?: Query): Promise<KubeObject> {
    return this.#object('GET', path, undefined, query);
  }

  async create(path: string, body: object, query?: Query): Promise<KubeObject> {
    return this.#object('POST', path, body, query);
  }

  /** A merge patch. */
  async patch(path: string, body: object, query?: Query): Promise<KubeObject> {
    return this.#object('PATCH', path, body, query);
  }

  /** `options` as the API has them, such as `{ gracePeriodSeconds: 0 }`. */
  async delete(path: string, options: object = {}): Promise<KubeObject> {
    return this.#object('DELETE', path, { ...DELETE_OPTIONS, ...options });
  }

  /** Without a `resourceVersion` in the query: what etcd holds now, not a cache. */
  async list(path: string, query?: Query): Promise<KubeList> {
    const answer = await this.send('GET', path, undefined, query);
    if (answer.status !== 200) throw failed(`GET ${path}`, answer);
    return answer.body as KubeList;
  }

  /** Ends when the server ends it, throws when the connection breaks or `signal` aborts. */
  async *watch(path: string, query: Query, signal: AbortSignal): AsyncGenerator<WatchEvent> {
    const message = await this.#open(path, { ...query, watch: true }, { signal });
    if (message.statusCode !== 200) {
      const body = parse(await read(message));
      throw failed(`watch ${path}`, { status: message.statusCode ?? 0, body });
    }
    message.setEncoding('utf8');
    let rest = '';
    for await (const chunk of message) {
      const lines = (rest + (chunk as string)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield JSON.parse(line) as WatchEvent;
    }
  }

  /** Ends its idle connections and all that is under way. */
  close(): void {
    this.#agent.destroy();
  }

  async #open(
    path: string,
    query: Query,
    options: RequestOptions,
    payload?: string,
  ): Promise<IncomingMessage> {
    const url = new URL(path, this.url);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    return new Promise((resolve, reject) => {
      const outgoing = request(url, { ...options, agent: this.#agent }, resolve);
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${url.href}`)));
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }
}
