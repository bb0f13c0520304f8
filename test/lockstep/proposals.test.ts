/** What a window may do while a batch is being gathered, and from one term to the next. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { Proposals } from '../../src/lockstep/proposals.js';
import { Throttle } from '../../src/lockstep/throttle.js';
import { AdaptiveWindow, type Amount, type Window } from '../../src/lockstep/window.js';
import type { Revision } from '../../src/mvcc/revision.js';
import type { Chained } from '../../src/target/guard.js';
import type { ChainStanding, PeerPort } from '../../src/target/peerport.js';

const TERM = 'a';
const APPLIED_AFTER_MS = 10;

/** A target that applies what it is handed, a moment later. */
class Port implements PeerPort {
  readonly where = 'a peer port';
  readonly batches: number[] = [];
  /** So many of them. */
  takes = Infinity;

  constructor(public head: Revision) {}

  propose(writes: readonly Chained[]): Promise<void> {
    this.batches.push(writes.length);
    const taken = this.batches.length <= this.takes;
    const { revision = 0 } = writes.at(-1)?.link ?? {};
    if (taken) setTimeout(() => (this.head = Math.max(this.head, revision)), APPLIED_AFTER_MS);
    return Promise.resolve();
  }

  look(): Promise<ChainStanding> {
    const { head } = this;
    return Promise.resolve({ head, chainMod: head, link: { term: TERM, revision: head } });
  }
}

/** Narrower than what is unconfirmed just while something is gathered. */
class Shrinking implements Window {
  #most = 4;

  begin(): void {}

  hasRoom({ entries }: Amount): boolean {
    return entries < this.#most;
  }

  isWhole({ entries }: Amount): boolean {
    return entries >= 2;
  }

  async gather(): Promise<void> {
    await sleep(1);
    this.#most = 1;
  }

  sent(): void {
    this.#most = 4;
  }

  async rest(): Promise<void> {
    await sleep(1);
    this.#most = 4;
  }

  looked(): boolean {
    return false;
  }
}

/** Follows fillers from `from` to `to`; resolves when they have landed. */
async function follow(port: Port, window: Window, from: Revision, to: Revision): Promise<void> {
  const stop = new AbortController();
  const options = {
    ...{ window, stopped: stop.signal, onLanded: () => undefined, throttle: new Throttle() },
    stop: () => {
      stop.abort();
    },
  };
  const way = new Proposals(port, { term: TERM, revision: from }, options);
  way.fill(to, false);
  while (way.position < to && !stop.signal.aborted) await sleep(1);
  stop.abort();
  await way.settle();
}

describe('proposals and their window', () => {
  it('becomes narrower while a batch is gathered: nothing is handed over that holds nothing', async () => {
    const port = new Port(10);
    await follow(port, new Shrinking(), 10, 60);
    expect(port.head).to.equal(60);
    expect(Math.min(...port.batches)).to.be.above(0);
  });

  it('hands over fillers together with the data that ends them', async () => {
    const port = new Port(10);
    const stop = new AbortController();
    const window = new AdaptiveWindow();
    const options = {
      ...{ window, stopped: stop.signal, throttle: new Throttle() },
      ...{ onLanded: () => undefined, stop: () => undefined },
    };
    const way = new Proposals(port, { term: TERM, revision: 10 }, options);
    // The first entry goes alone.
    way.fill(11, false);
    while (way.position < 11) await sleep(1);
    way.fill(15, true);
    // Digests of what it supersedes are looked up meanwhile.
    await sleep(20);
    await way.write({ revision: 16, records: [], cursor: Buffer.alloc(0) });
    while (way.position < 16) await sleep(1);
    expect(port.batches).to.deep.equal([1, 5]);
    stop.abort();
    await way.settle();
  });

  it('gives up what does not show, and forgets it with its term', async () => {
    const port = new Port(10);
    const window = new AdaptiveWindow();
    port.takes = 1;
    const lost = await follow(port, window, 10, 200).catch((error: unknown) => error);
    expect(lost).to.have.property('code', 'PEER_PORT');
    expect(port.head).to.equal(11);
    port.takes = Infinity;
    await sleep(1100);
    await follow(port, window, 11, 13);
    expect(port.head).to.equal(13);
  });
});
