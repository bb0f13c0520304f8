import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

/** A member as the network sees it. */
export interface Peer {
  /** Hexadecimal, as etcd writes it into the header. */
  readonly id: string;
  /** Where it really listens to its peers. */
  readonly peerPort: number;
}

/** One connection of a member to another one. */
interface Link {
  readonly toPort: number;
  /** The id of the member that dialled, once it has said so. */
  from: string | undefined;
  readonly cut: () => void;
}

/**
 * etcd's requests to peers say who sends them, streams and single messages
 * alike. Only those that carry nothing of raft do not: probes, questions for
 * the version, and the renewal of a lease that goes to a leader while its
 * sender knows one. A connection may begin with such a request and be used for
 * others later, so each chunk is looked at until one has the header.
 */
function senderOf(chunk: Buffer): string | undefined {
  return /^X-Server-From: ([0-9a-f]+)\r$/m.exec(chunk.toString('latin1'))?.[1];
}

/**
 * What lies between the members of a cluster: a TCP proxy in front of each
 * one's peer port. All members use the same URL for a peer, so it is the sender
 * of a connection, not its address, that says which side of a partition it is on.
 */
export class PeerNetwork {
  readonly #servers: Server[] = [];
  readonly #links = new Set<Link>();
  readonly #isolated = new Set<Peer>();

  /** Begins to listen for a peer; returns the port that the others have to be told. */
  async front(peerPort: number): Promise<number> {
    const server = createServer((client) => {
      this.#link(client, peerPort);
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return (server.address() as AddressInfo).port;
  }

  /** Cuts its connections to and from all others, and refuses new ones. */
  isolate(peer: Peer): void {
    this.#isolated.add(peer);
    for (const link of this.#links) if (this.#blocks(link)) link.cut();
  }

  rejoin(peer: Peer): void {
    this.#isolated.delete(peer);
  }

  async close(): Promise<void> {
    const closed = this.#servers.map(
      (server) =>
        new Promise<void>((resolve) => {
          server.close(() => {
            resolve();
          });
        }),
    );
    for (const link of this.#links) link.cut();
    await Promise.all(closed);
  }

  #blocks({ toPort, from }: Link): boolean {
    for (const { id, peerPort } of this.#isolated) {
      if (toPort === peerPort || from === id) return true;
    }
    return false;
  }

  #link(client: Socket, toPort: number): void {
    const target = connect({ host: '127.0.0.1', port: toPort });
    const link: Link = {
      toPort,
      from: undefined,
      cut: () => {
        this.#links.delete(link);
        client.resetAndDestroy();
        target.resetAndDestroy();
      },
    };
    this.#links.add(link);
    for (const socket of [client, target]) {
      socket.setNoDelay(true);
      socket.on('error', link.cut);
      socket.on('close', link.cut);
    }
    if (this.#blocks(link)) {
      link.cut();
      return;
    }
    client.on('data', (chunk: Buffer) => {
      link.from ??= senderOf(chunk);
      if (this.#blocks(link)) link.cut();
      else if (!target.write(chunk)) client.pause();
    });
    target.on('drain', () => client.resume());
    client.on('end', () => target.end());
    target.pipe(client);
  }
}
