/**
 * The listener: what a running command shows of itself, over HTTP, to whoever looks.
 *
 *     status ─► view ─┬─► /events, each second     page, `watch`
 *                     ├─► /view.json
 *                     ├─► ring of samples ─► /samples.json
 *                     └─► /metrics, /readyz
 *
 * What must hold: it only reads, and the work never waits for it or ends by it. So it takes GET alone, it
 * bounds connections, times and what lies in memory for each, a failure in here is an answer of 500, and it
 * is closed with the work. It has no users and no TLS, so it listens on loopback unless told otherwise,
 * and shows keys at the most (docs/watching.md says what to put before it).
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import type { OnNote } from '../async/patience.js';
import type { ListenAddress } from '../config/listenaddress.js';
import { LockstepError } from '../errors.js';
import { readAsset } from './assets.js';
import { boundedServer, endServer } from './boundedserver.js';
import { isOurHost } from './hostcheck.js';
import { Metrics } from './metrics.js';
import { readReport } from './servedreports.js';
import { Samples } from './samples.js';
import type { View } from './view.js';
import { Viewers } from './viewers.js';

/** What is shown: asked for whenever somebody looks, and each second. */
export interface Shown {
  view: () => View;
  /** As `-w json` prints it; undefined before there is one. */
  status: () => object | undefined;
  /** Folder of the reports of its audits; undefined: it makes none. */
  reports?: string | undefined;
}

const REPORTS = '/reports/';

const TICK_MS = 1000;

/** Nothing but what comes from here, framed by nobody, kept nowhere. */
const HEADERS = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

const MISDIRECTED =
  'this is not served under that name: use localhost, the address itself, or the name given to --listen';

interface Answer {
  /** 200 unless given. */
  status?: number;
  /** Plain text unless given. */
  type?: string;
  headers?: Record<string, string>;
  body: string | Buffer;
}

export class Listener {
  readonly #metrics = new Metrics();
  readonly #samples = new Samples();
  readonly #viewers = new Viewers();
  readonly #server: Server;
  readonly #timer: NodeJS.Timeout;
  #told = false;

  private constructor(
    server: Server,
    private readonly address: ListenAddress,
    private readonly shown: Shown,
    private readonly onNote: OnNote,
  ) {
    this.#server = server;
    server.on('request', (request, response) => void this.#serve(request, response));
    this.#timer = setInterval(() => {
      this.#tick();
    }, TICK_MS);
  }

  /** @throws LockstepError CANNOT_LISTEN where the address is in use, not ours, or not allowed */
  static async open(address: ListenAddress, shown: Shown, onNote: OnNote): Promise<Listener> {
    const server = boundedServer();
    await listening(server, address);
    // What goes wrong with a single connection is that one's end, and nothing else's.
    server.on('error', () => undefined);
    return new Listener(server, address, shown, onNote);
  }

  /** `http://127.0.0.1:2390/`, with the port that it has got. */
  get url(): string {
    const { address, family, port } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}/`;
  }

  /** Tells the last view, ends all connections, and waits for nobody. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#tick();
    this.#viewers.end();
    await endServer(this.#server);
  }

  #tick(): void {
    try {
      const view = this.shown.view();
      this.#metrics.saw(view);
      this.#samples.add(view);
      this.#viewers.tell(() => JSON.stringify(view));
    } catch (error) {
      this.#failed(error);
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A reader that is gone is told here, too.
    response.on('error', () => undefined);
    for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
    try {
      const refused = this.#refusal(request);
      const [path = ''] = (request.url ?? '').split('?');
      if (refused) send(response, refused);
      else if (path === '/events' && request.method === 'GET') this.#events(response);
      else send(response, await this.#answer(path));
    } catch (error) {
      this.#failed(error);
      if (response.headersSent) response.destroy();
      else send(response, { status: 500, body: 'this is a bug; the log says more\n' });
    }
  }

  #refusal({ method = '', headers, socket }: IncomingMessage): Answer | undefined {
    if (!isOurHost(headers.host, this.address.host, socket.localAddress))
      return { status: 421, body: `${MISDIRECTED}\n`, headers: { connection: 'close' } };
    if (method === 'GET' || method === 'HEAD') return undefined;
    const only = { allow: 'GET, HEAD', connection: 'close' };
    return { status: 405, body: 'there is nothing here to be changed\n', headers: only };
  }

  async #answer(path: string): Promise<Answer> {
    switch (path) {
      case '/healthz':
        return { body: 'ok\n' };
      case '/readyz':
        return readiness(this.shown.view());
      case '/metrics':
        return {
          type: this.#metrics.contentType,
          body: await this.#metrics.scrape(this.shown.view()),
        };
      case '/view.json':
        return asJson(this.shown.view());
      case '/samples.json':
        return asJson(this.#samples.table);
      case '/status.json':
        return asJson(this.shown.status());
      default:
        return (await this.#file(path)) ?? { status: 404, body: 'there is no such page\n' };
    }
  }

  async #file(path: string): Promise<Answer | undefined> {
    const { reports } = this.shown;
    return reports === undefined || !path.startsWith(REPORTS)
      ? readAsset(path)
      : readReport(reports, path.slice(REPORTS.length));
  }

  #events(response: ServerResponse): void {
    if (this.#viewers.add(response, JSON.stringify(this.shown.view()))) return;
    send(response, { status: 503, body: 'too many look already\n' });
  }

  /** Told once: what fails each second would fill the log. */
  #failed(error: unknown): void {
    if (!this.#told)
      this.onNote(
        `what --listen shows cannot be made, which is a bug (${String(error)}); the work goes on`,
        true,
      );
    this.#told = true;
  }
}

function readiness({ ready, sentence }: View): Answer {
  return ready
    ? { body: `ready: ${sentence}\n` }
    : { status: 503, body: `not ready: ${sentence}\n` };
}

function asJson(object: object | undefined): Answer {
  if (!object) return { status: 503, body: 'there is no status yet\n' };
  return { type: 'application/json', body: `${JSON.stringify(object)}\n` };
}

/** Node leaves the body of an answer to HEAD out. */
function send(response: ServerResponse, { status = 200, type, body, headers }: Answer): void {
  response.writeHead(status, {
    'content-type': type ?? 'text/plain; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...headers,
  });
  response.end(body);
}

async function listening(server: Server, { host, port }: ListenAddress): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(cannotListen(isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`, cause));
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error');
}

const WHY: Record<string, { why: string; hint: string }> = {
  EADDRINUSE: {
    why: 'another process does already',
    hint: 'Give --listen another port, or 0 for any that is free. `ss -ltnp` says who has it.',
  },
  EADDRNOTAVAIL: {
    why: 'this machine has no such address',
    hint: 'Give --listen an address of this machine, or the port alone for loopback.',
  },
  EACCES: { why: 'this user may not', hint: 'Give --listen a port above 1023.' },
  ENOTFOUND: {
    why: 'the name is not known',
    hint: 'Give --listen an address of this machine, or the port alone for loopback.',
  },
};

function cannotListen(address: string, cause: NodeJS.ErrnoException): LockstepError {
  const { why = cause.message, hint = 'Give --listen another address.' } =
    WHY[cause.code ?? ''] ?? {};
  return new LockstepError('CANNOT_LISTEN', `cannot listen on ${address}: ${why}`, { hint, cause });
}
