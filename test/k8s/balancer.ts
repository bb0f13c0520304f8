import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

export interface Backend {
  readonly host: string;
  readonly port: number;
}

/**
 * A TCP load balancer in front of apiservers. New connections go to the backends in use, in turn;
 * one that cannot be reached is passed over, as by a health check. Present connections stay where
 * they are until they are cut.
 */
export class Balancer {
  readonly port: number;
  readonly url: string;
  readonly #server: Server;
  readonly #links = new Map<Socket, Backend>();
  #backends: readonly Backend[];
  #turn = 0;

  private constructor(server: Server, backends: readonly Backend[]) {
    this.#server = server;
    this.#backends = backends;
    this.port = (server.address() as AddressInfo).port;
    this.url = `https://127.0.0.1:${this.port}`;
    server.on('connection', (client) => {
      client.on('error', () => undefined); // 'close' follows
      this.#serve(client, this.#inTurn());
    });
  }

  static async start(port: number, backends: readonly Backend[]): Promise<Balancer> {
    const server = createServer({ pauseOnConnect: true });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    return new Balancer(server, backends);
  }

  /** New connections go to these from now on. */
  use(...backends: readonly Backend[]): void {
    this.#backends = backends;
  }

  /** Resets the present connections to a backend; to all where none is named. Returns their number. */
  cut(backend?: Backend): number {
    const chosen = [...this.#links].filter(([, at]) => backend === undefined || same(at, backend));
    for (const [client] of chosen) client.resetAndDestroy();
    return chosen.length;
  }

  /** How many connections to a backend are open now. */
  connections(backend: Backend): number {
    return [...this.#links.values()].filter((at) => same(at, backend)).length;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    this.cut();
    await closed;
  }

  #inTurn(): Backend[] {
    const first = this.#turn++ % Math.max(1, this.#backends.length);
    return [...this.#backends.slice(first), ...this.#backends.slice(0, first)];
  }

  #serve(client: Socket, [backend, ...others]: Backend[]): void {
    if (backend === undefined) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ host: backend.host, port: backend.port });
    let connected = false;
    server.on('connect', () => {
      connected = true;
      this.#links.set(client, backend);
      client.setNoDelay(true);
      server.setNoDelay(true);
      client.pipe(server).pipe(client);
    });
    server.on('error', () => undefined);
    server.on('close', () => {
      if (!connected && !client.destroyed) this.#serve(client, others);
      else client.destroy();
    });
    client.on('close', () => {
      this.#links.delete(client);
      server.destroy();
    });
  }
}

function same(a: Backend, b: Backend): boolean {
  return a.host === b.host && a.port === b.port;
}
