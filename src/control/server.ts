/**
 * The control socket: whoever runs a command may ask it how it is, and steer it, without ending it.
 *
 *     GET  /status                        how it is
 *     PUT  /throttle   {"maxRate": 500}   null: as fast as it goes
 *     POST /audit                         an audit now
 *     PUT  /log-level  {"level": "warn"}
 *     POST /stop                          as SIGTERM
 *
 * HTTP with JSON, so that curl will do. It is a file that only its owner may use, so it has no users.
 *
 * What must hold: the work never waits for it and never ends by it, but for /stop. A file that lies there is
 * that of a process that was killed, for the journal is ours alone; and yet it is asked first, since a file
 * system may not keep locks. Where there can be none the work goes on without, and says so.
 */
import { lstat, unlink } from 'node:fs/promises';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { z } from 'zod';
import type { OnNote } from '../async/patience.js';
import { isSystemError } from '../errors.js';
import { boundedServer, endServer } from '../listen/boundedserver.js';
import { logLevelRequest, nothing, throttleRequest, type Controls } from './controls.js';
import { pathFault } from './socketpath.js';

const MOST_BODY_BYTES = 4096;
const ASKED_FOR_MS = 1000;
/** Neither may group and others connect while it is being made. */
const OWNER_ALONE = 0o177;

interface Answer {
  status: number;
  body: object;
  allow?: string;
}

interface Route {
  method: string;
  /** @returns undefined where there is nothing to be told yet */
  answer: (controls: Controls, body: unknown) => object | undefined;
}

function route<T>(
  method: string,
  schema: z.ZodType<T>,
  act: (controls: Controls, asked: T) => object | undefined,
): Route {
  return { method, answer: (controls, body) => act(controls, schema.parse(body)) };
}

const ROUTES: Record<string, Route> = {
  '/status': route('GET', nothing, (controls) => controls.status()),
  '/throttle': route('PUT', throttleRequest, (controls, { maxRate }) => controls.throttle(maxRate)),
  '/audit': route('POST', nothing, (controls) => controls.audit()),
  '/log-level': route('PUT', logLevelRequest, (controls, { level }) => controls.logLevel(level)),
  '/stop': route('POST', nothing, (controls) => controls.stop()),
};

export class ControlSocket {
  private constructor(private readonly server: Server) {}

  /** @returns undefined where there can be none; `onNote` hears why */
  static async open(
    path: string,
    controls: Controls,
    onNote: OnNote,
  ): Promise<ControlSocket | undefined> {
    const server = boundedServer();
    server.on(
      'request',
      (request, response) =>
        void serve(request, response, (asked) => answerTo(asked, controls, onNote)),
    );
    try {
      const fault = pathFault(path) ?? (await occupied(path));
      if (fault === undefined) {
        await listening(server, path);
        // What goes wrong with a single connection is that one's end, and nothing else's.
        server.on('error', () => undefined);
        return new ControlSocket(server);
      }
      onNote(`no control socket at ${path}: ${fault}. The work goes on without`, true);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      onNote(`no control socket at ${path}: ${error.message}. The work goes on without`, true);
    }
    return undefined;
  }

  /** Removes the socket, and waits for nobody. */
  async close(): Promise<void> {
    await endServer(this.server);
  }
}

/** Makes room where a process that was killed has left its socket; @returns why there is none otherwise */
async function occupied(path: string): Promise<string | undefined> {
  const there = await lstat(path).catch((error: unknown) => {
    if (isSystemError(error) && error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!there) return undefined;
  if (!there.isSocket()) return 'something else lies there';
  if (await isAnswered(path)) return 'another process listens there';
  await unlink(path);
  return undefined;
}

/** One that hangs has it still. */
async function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (answered: boolean) => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(ASKED_FOR_MS, () => {
      end(true);
    });
    socket.once('connect', () => {
      end(true);
    });
    socket.once('error', ({ code }: NodeJS.ErrnoException) => {
      end(code !== 'ECONNREFUSED' && code !== 'ENOENT');
    });
  });
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(OWNER_ALONE);
    try {
      // The file is made before this returns.
      server.listen(path, resolve);
    } finally {
      process.umask(before);
    }
  });
  server.removeAllListeners('error');
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  answerTo: (request: IncomingMessage) => Promise<Answer>,
): Promise<void> {
  // A client that is gone is told here, too.
  for (const end of [request, response]) end.on('error', () => undefined);
  const { status, body, allow } = await answerTo(request);
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    ...(allow === undefined ? {} : { allow }),
    // Of what was refused there may be more to come.
    ...(status === 200 ? {} : { connection: 'close' }),
  });
  response.end(text);
}

async function answerTo(
  request: IncomingMessage,
  controls: Controls,
  onNote: OnNote,
): Promise<Answer> {
  const { method = '', url = '' } = request;
  const route = Object.hasOwn(ROUTES, url) ? ROUTES[url] : undefined;
  if (!route) return refused(404, `there is no ${url} here`, `It has ${PATHS}.`);
  if (method !== route.method)
    return { ...refused(405, `${url} takes ${route.method}`, 'Use that.'), allow: route.method };
  let asked: unknown;
  try {
    asked = await bodyOf(request);
  } catch (error) {
    return refused(400, `the request cannot be read: ${String(error)}`, 'Send an object as JSON.');
  }
  if (asked === undefined)
    return refused(413, `a request has ${MOST_BODY_BYTES} bytes at most`, 'Send less.');
  try {
    const answer = route.answer(controls, asked);
    return answer
      ? { status: 200, body: answer }
      : refused(503, 'it has only just begun', 'Ask again in a moment.', 'UNAVAILABLE');
  } catch (error) {
    if (!(error instanceof z.ZodError)) {
      onNote(
        `what the control socket was asked has failed, which is a bug: ${String(error)}`,
        true,
      );
      return refused(500, 'this is a bug', 'The log of the command says more.');
    }
    const why = error.issues.map(({ path, message }) => [...path, message].join(': '));
    return refused(400, `${url}: ${why.join('; ')}`, 'The reference says what it takes.');
  }
}

const PATHS = Object.keys(ROUTES).join(', ');

function refused(status: number, message: string, hint: string, code = 'BAD_ARGUMENT'): Answer {
  return { status, body: { error: { code, message, hint } } };
}

/** @returns undefined for one that is too large; {} for none */
async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) return undefined;
    chunks.push(chunk);
  }
  return bytes === 0 ? {} : (JSON.parse(Buffer.concat(chunks).toString()) as unknown);
}
