/**
 * A proxy in front of one etcd's peer port that sees each message of raft, and does with it what a test
 * wants: a network cuts bytes, this loses, cuts, swaps and keeps what was taken already.
 */
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { raftpb } from '../../src/wire/gen/etcd.js';

/** Hands a message to the etcd, now or at any time later; resolves when it has answered. */
export type Pass = (message: Buffer) => Promise<void>;

/** What becomes of a message. When it has resolved the sender is told 204; it throws: no answer at all. */
export type Rule = (message: Buffer, pass: Pass) => Promise<void>;

export const HONEST: Rule = (message, pass) => pass(message);

export class PeerProxy {
  readonly url: string;
  rule: Rule = HONEST;
  /** Connections are reset. */
  refuses = false;
  /** Messages of raft that it was given. */
  messages = 0;
  readonly #server: Server;

  private constructor(
    server: Server,
    private readonly peerPort: number,
  ) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (socket) => {
      if (this.refuses) socket.resetAndDestroy();
    });
    server.on('request', (asked, answer) => {
      this.#serve(asked).then(
        ({ status, body }) => answer.writeHead(status).end(body),
        () => answer.destroy(),
      );
    });
  }

  static async start(peerPort: number): Promise<PeerProxy> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new PeerProxy(server, peerPort);
  }

  /** No connection is left, and none is taken any more. */
  refuse(): void {
    this.refuses = true;
    this.#server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(asked: IncomingMessage): Promise<Answer> {
    const body = await bytesOf(asked);
    if (asked.method !== 'POST') return this.#ask(asked, body);
    this.messages++;
    let told: Answer = { status: 204, body: Buffer.alloc(0) };
    await this.rule(body, async (message) => {
      told = await this.#ask(asked, message);
    });
    return told;
  }

  #ask({ method, url, headers }: IncomingMessage, body: Buffer): Promise<Answer> {
    const { host: _, connection: __, ...kept } = headers;
    const at = { host: '127.0.0.1', port: this.peerPort, method, path: url, agent: false as const };
    return new Promise((resolve, reject) => {
      const length = { 'content-length': body.length };
      const sent = request({ ...at, headers: { ...kept, ...length } }, (answer) => {
        const { statusCode: status = 0 } = answer;
        // Behind an error of 3.5 there is no end.
        if (status >= 400)
          answer.once('data', (body: Buffer) => {
            resolve({ status, body });
          });
        bytesOf(answer).then((body) => {
          resolve({ status, body });
        }, reject);
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }
}

interface Answer {
  status: number;
  body: Buffer;
}

async function bytesOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** How many entries a message has. */
export function entriesOf(message: Buffer): number {
  return raftpb.Message.decode(message).entries.length;
}

/** The same message, with only its first entries; one is left at least, for raft panics at none. */
export function firstOf(message: Buffer, share: number): Buffer {
  const { entries, ...rest } = raftpb.Message.decode(message);
  const kept = entries.slice(0, Math.max(1, Math.floor(entries.length * share)));
  return Buffer.from(raftpb.Message.encode({ ...rest, entries: kept }).finish());
}
