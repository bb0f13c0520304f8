import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** What a direction may hold in its delay before its source is made to wait. */
const MAX_HELD_BYTES = 1 << 20;

/** The faults that are switched on, shared by all connections. */
interface Faults {
  refuses: boolean;
  swallows: boolean;
  stalled: boolean;
  dropAnswers: boolean;
  delayMs: Record<Way, number>;
}

/** Which way bytes go: from the client to the server, or back. */
export type Way = 'requests' | 'answers';

interface Held {
  readonly chunk: Buffer;
  readonly due: number;
}

/** The bytes of one connection in one direction, in order. */
class Direction {
  /** Whether bytes were swallowed: what follows them would make no sense to the reader. */
  holed = false;
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #faults: Faults;
  readonly #drops: () => boolean;
  #held: Held[] = [];
  #heldBytes = 0;
  #ended = false;
  #full = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(way: Way, from: Socket, to: Socket, faults: Faults) {
    this.#from = from;
    this.#to = to;
    this.#faults = faults;
    this.#drops = () => way === 'answers' && faults.dropAnswers;
    from.on('data', (chunk: Buffer) => {
      this.#held.push({ chunk, due: Date.now() + faults.delayMs[way] });
      this.#heldBytes += chunk.length;
      this.move();
    });
    from.on('end', () => {
      this.#ended = true;
      this.move();
    });
    to.on('drain', () => {
      this.#full = false;
      this.move();
    });
  }

  /** Passes on what is due; then the source waits exactly while there is a reason to. */
  move(): void {
    clearTimeout(this.#timer);
    if (this.#to.destroyed) return;
    while (!this.#faults.stalled && !this.#full) {
      const next = this.#held[0];
      if (next === undefined) break;
      const wait = next.due - Date.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => {
          this.move();
        }, wait);
        break;
      }
      this.#held.shift();
      this.#heldBytes -= next.chunk.length;
      if (this.#drops()) this.holed = true;
      else this.#full = !this.#to.write(next.chunk);
    }
    if (this.#faults.stalled || this.#full || this.#heldBytes > MAX_HELD_BYTES) this.#from.pause();
    else this.#from.resume();
    const over = this.#ended && this.#held.length === 0 && !this.#faults.stalled;
    if (!over || this.#to.writableEnded) return;
    if (this.#drops()) this.holed = true;
    else this.#to.end();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#held = [];
  }
}

/** One connection of a client, and the one to the target that belongs to it. */
class Link {
  readonly #client: Socket;
  readonly #target: Socket;
  readonly #faults: Faults;
  readonly #requests: Direction;
  readonly #answers: Direction;
  #broken = false;

  constructor(client: Socket, target: Socket, faults: Faults, onClosed: (link: Link) => void) {
    this.#client = client;
    this.#target = target;
    this.#faults = faults;
    this.#requests = new Direction('requests', client, target, faults);
    this.#answers = new Direction('answers', target, client, faults);
    let open = 2;
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      socket.on('error', () => {
        this.#broken = true; // 'close' follows
      });
      socket.on('close', () => {
        if (this.#broken) this.apply();
        open -= 1;
        if (open === 0) {
          this.#requests.stop();
          this.#answers.stop();
          onClosed(this);
        }
      });
    }
    this.apply();
  }

  /** Brings the connection in line with the faults that are on now. */
  apply(): void {
    // A network that holds everything back holds back a reset as well.
    if (this.#broken && !this.#faults.stalled) this.cut();
    // TCP never delivers a stream with a hole, so a connection that has one ends with the fault.
    else if (this.#answers.holed && !this.#faults.dropAnswers) this.cut();
    else {
      this.#requests.move();
      this.#answers.move();
    }
  }

  /** Resets both sides, without a farewell. */
  cut(): void {
    this.#client.resetAndDestroy();
    this.#target.resetAndDestroy();
  }
}

/** A TCP proxy in front of one etcd that does what bad networks do. */
export class FaultProxy {
  readonly endpoint: string;
  readonly port: number;
  readonly #server: Server;
  readonly #links: Set<Link>;
  readonly #faults: Faults;
  readonly #swallowed: Set<Socket>;

  readonly #refused: { readonly count: number };

  private constructor(
    server: Server,
    links: Set<Link>,
    swallowed: Set<Socket>,
    refused: { readonly count: number },
    faults: Faults,
  ) {
    this.#refused = refused;
    this.#server = server;
    this.#links = links;
    this.#swallowed = swallowed;
    this.#faults = faults;
    this.port = (server.address() as AddressInfo).port;
    this.endpoint = `http://127.0.0.1:${this.port}`;
  }

  static async start(target: { host: string; port: number }): Promise<FaultProxy> {
    const links = new Set<Link>();
    const swallowed = new Set<Socket>();
    const refused = { count: 0 };
    const delayMs = { requests: 0, answers: 0 };
    const faults: Faults = {
      refuses: false,
      swallows: false,
      stalled: false,
      dropAnswers: false,
      delayMs,
    };
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      if (faults.refuses) {
        refused.count++;
        client.on('error', () => undefined);
        client.resetAndDestroy();
        return;
      }
      if (faults.swallows) {
        swallowed.add(client);
        client.on('error', () => undefined);
        client.on('close', () => swallowed.delete(client));
        client.resume();
        return;
      }
      const upstream = connect({ ...target, allowHalfOpen: true });
      links.add(new Link(client, upstream, faults, (link) => links.delete(link)));
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new FaultProxy(server, links, swallowed, refused, faults);
  }

  /** How many connections are open now. */
  get connections(): number {
    return this.#links.size;
  }

  /** Connections that it has refused so far. */
  get refused(): number {
    return this.#refused.count;
  }

  /** Resets all present connections; new ones are accepted. */
  cut(): void {
    for (const link of this.#links) link.cut();
  }

  /** New connections are reset at once; present ones go on. */
  refuse(on: boolean): void {
    this.#faults.refuses = on;
  }

  /**
   * New connections are accepted and never served, also when this is off again: as by a host that
   * has hung, or a network that has forgotten them. Only the client can give them up.
   */
  swallow(on: boolean): void {
    this.#faults.swallows = on;
  }

  /** Holds the bytes back in both directions; nothing closes, nothing is lost. */
  stall(on: boolean): void {
    this.#faults.stalled = on;
    this.#apply();
  }

  /**
   * Requests arrive and take effect, what the server answers is swallowed.
   * Switched off, it cuts the connections that lost bytes.
   */
  dropAnswers(on: boolean): void {
    this.#faults.dropAnswers = on;
    this.#apply();
  }

  /** Delays each direction, or only one, by this much from now on; the order stays. */
  delay(ms: number, ...ways: Way[]): void {
    for (const way of ways.length > 0 ? ways : (['requests', 'answers'] as const))
      this.#faults.delayMs[way] = ms;
  }

  /** Cuts everything and stops to listen. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => {
        resolve();
      });
    });
    this.cut();
    for (const client of this.#swallowed) client.destroy();
    await closed;
  }

  #apply(): void {
    for (const link of this.#links) link.apply();
  }
}
