import { once } from 'node:events';
import {
  connect,
  constants,
  createServer,
  type ClientHttp2Session,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const WATCH = '/etcdserverpb.Watch/Watch';
const POLL_MS = 10;

/**
 * A proxy in front of one etcd that starves watches and nothing else: what is asked on the same connection
 * is answered at once. A proxy of TCP cannot do that; proxies of gRPC do it.
 */
export class WatchProxy {
  readonly endpoint: string;
  /** Of each message of a watch; those behind it wait for it. */
  delayMs = 0;
  stalled = false;
  readonly #server: Http2Server;
  readonly #upstream: ClientHttp2Session;

  private constructor(server: Http2Server, upstream: ClientHttp2Session) {
    this.#server = server;
    this.#upstream = upstream;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    upstream.on('error', () => undefined);
    server.on('stream', (stream, headers) => {
      this.#forward(stream, headers);
    });
  }

  /** @param endpoint of an etcd without TLS */
  static async start(endpoint: string): Promise<WatchProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new WatchProxy(server, connect(endpoint));
  }

  close(): void {
    this.#server.close();
    this.#upstream.destroy();
  }

  #forward(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const up = this.#upstream.request(headers);
    let trailers: IncomingHttpHeaders = {};
    stream.pipe(up);
    for (const one of [stream, up]) one.on('error', () => undefined); // 'close' follows
    stream.on('close', () => {
      up.close(constants.NGHTTP2_CANCEL);
    });
    stream.on('wantTrailers', () => {
      stream.sendTrailers(trailers);
    });
    up.on('trailers', (sent: IncomingHttpHeaders) => {
      trailers = sent;
    });
    up.on('response', (answer, flags) => {
      const only = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (stream.destroyed) return;
      stream.respond(answer, only ? { endStream: true } : { waitForTrailers: true });
      if (!only) void this.#pump(up, stream, headers[':path'] === WATCH).catch(() => undefined);
    });
  }

  async #pump(from: AsyncIterable<Buffer>, to: ServerHttp2Stream, watch: boolean): Promise<void> {
    for await (const chunk of from) {
      if (watch) await sleep(this.delayMs);
      while (watch && this.stalled) await sleep(POLL_MS);
      if (to.destroyed) return;
      to.write(chunk);
    }
    to.end();
  }
}
