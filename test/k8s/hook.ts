import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What a hook command finds in its environment; empty where it is not set. */
export interface Asked {
  readonly apiserver: string;
  readonly overrides: string;
  /** It is a rehearsal: nothing may be moved. */
  readonly rehearsal?: boolean;
}

/**
 * A shell command that asks this process to do something, and waits until it is done: the hook of an
 * operator whose hands are the test's.
 */
export class Hook {
  readonly asked: Asked[] = [];
  /** For `--switch-hook` or `--flip-hook`. */
  readonly command: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    const { port } = server.address() as AddressInfo;
    // Not by fetch, which takes longer to load than all the rest.
    const ask = `
      const { APISERVER: apiserver = '', OVERRIDES: overrides = '', REHEARSE } = process.env;
      const rehearsal = REHEARSE === '1';
      const asked = require('node:http').request({ host: '127.0.0.1', port: ${port}, method: 'POST' }, (answer) => {
        answer.pipe(process.stderr);
        answer.on('end', () => process.exit(answer.statusCode === 200 ? 0 : 1));
      });
      asked.end(JSON.stringify({ apiserver, overrides, rehearsal }));`;
    this.command = `'${process.execPath}' -e "${ask}"`;
  }

  /** `act` does what is asked for; what it throws fails the command. */
  static async on(act: (asked: Asked) => Promise<void>): Promise<Hook> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const hook = new Hook(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const asked = JSON.parse(Buffer.concat(chunks).toString()) as Asked;
        hook.asked.push(asked);
        act(asked).then(
          () => response.writeHead(200).end(),
          (e: unknown) => response.writeHead(500).end((e as Error).stack),
        );
      });
    });
    return hook;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
