/** Addresses at which something is that neither answers nor refuses, in each way that there is. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export type Kind =
  /** Takes connections, and says nothing: a process that hangs. */
  | 'silent'
  /** Says a byte now and then, of a TLS record that never becomes whole. */
  | 'drips'
  /** Takes no connection and refuses none: a firewall that swallows everything. */
  | 'swallows';

const DRIP_MS = 100;
/** A handshake record of TLS 1.2, 16 KiB long; what it holds comes byte by byte. */
const RECORD = [0x16, 0x03, 0x03, 0x40, 0x00];

/** Listens, and is then too busy to take what comes: with its queue full, the system drops the rest. */
const BUSY = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, String(server.address().port) + '\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  });
`;
const QUEUE = 4;

export class HalfDead {
  private constructor(
    readonly port: number,
    /** Connections that it has taken and that are still there. */
    readonly connections: () => number,
    readonly end: () => void,
  ) {}

  static async start(kind: Kind): Promise<HalfDead> {
    return kind === 'swallows' ? HalfDead.#swallowing() : HalfDead.#accepting(kind === 'drips');
  }

  static async #accepting(drips: boolean): Promise<HalfDead> {
    const sockets = new Set<Socket>();
    const server: Server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.resume();
      let said = 0;
      const drip = setInterval(() => {
        if (drips) socket.write(Buffer.from([RECORD[said++] ?? 0]));
      }, DRIP_MS);
      socket.on('close', () => {
        clearInterval(drip);
        sockets.delete(socket);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const end = () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    };
    return new HalfDead(port, () => sockets.size, end);
  }

  static async #swallowing(): Promise<HalfDead> {
    const child: ChildProcess = spawn(process.execPath, ['-e', BUSY], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout!, 'data')) as [Buffer];
    const port = Number(said.toString());
    const queued = Array.from({ length: QUEUE }, () =>
      connect(port, '127.0.0.1').on('error', () => undefined),
    );
    const end = () => {
      for (const socket of queued) socket.destroy();
      child.kill('SIGKILL');
    };
    return new HalfDead(port, () => 0, end);
  }
}
