/**
 * A live audit of values says what is so: whenever both sides are quiet, the keys that it names are those
 * that differ, all of them and no others, however late its watches are. Both sides are written at random, and
 * what one of them has is brought to the other one well, badly, or not at all.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { LiveValues } from '../../src/audit/livevalues.js';
import type { KeyValue } from '../../src/mvcc/keyvalue.js';
import { EtcdClient } from '../../src/wire/client.js';
import { Random, SOAK } from '../crash/random.js';
import { del, put, PREFIX, ReversePair } from '../reverse/pair.js';

const KEYS = 12;
const ROUNDS = 25 * SOAK;
/** Few of each, so that a key often is by chance what it is on the other side. */
const VALUES = ['a', 'b'];
const LEASES = [0n, 0n, 0x7e57n];
const SIDES = ['source', 'target'] as const;

type Side = (typeof SIDES)[number];

/** Its calls are answered at once, while its watch goes through a proxy. */
class LateWatch extends EtcdClient {
  readonly #watching: EtcdClient;

  constructor(pair: ReversePair, side: Side) {
    super(pair.etcds[side].endpoint, side);
    this.#watching = new EtcdClient(pair.proxies[side].endpoint, side);
  }

  override watch(): ReturnType<EtcdClient['watch']> {
    return this.#watching.watch();
  }

  override close(): void {
    super.close();
    this.#watching.close();
  }
}

/** A change of the target, and of the source as it is brought there: well, with another lease, or not at all. */
async function change(pair: ReversePair, random: Random): Promise<void> {
  const key = `k${random.between(0, KEYS - 1)}`;
  const value = random.pick(VALUES);
  const made = () => put(key, value, random.pick(LEASES));
  const op = random.between(0, 3) === 0 ? del(key) : made();
  const how = random.between(0, 9);
  if (how > 0) await pair.write('target', op);
  if (how < 8) await pair.write('source', how === 7 ? made() : op);
}

/** What differs, as is read from both sides at once. */
async function differing(pair: ReversePair): Promise<string[]> {
  const [source, target] = await Promise.all([pair.held('source'), pair.held('target')]);
  const names = new Set([...source.keys(), ...target.keys()]);
  return [...names].filter((name) => !isSame(source.get(name), target.get(name))).sort();
}

/** The source's above the target's, or neither was ever touched. */
function isSame(there: KeyValue | undefined, here: KeyValue | undefined): boolean {
  if (!there || !here) return there === here;
  const content = ({ value, lease }: KeyValue) => `${value.toString()} ${lease}`;
  if (content(there) !== content(here)) return false;
  return there.modRevision > here.modRevision || isSameRow(there, here);
}

function isSameRow(there: KeyValue, here: KeyValue): boolean {
  const revisions = (kv: KeyValue) => [kv.modRevision, kv.createRevision, kv.version].join();
  return revisions(there) === revisions(here);
}

describe('a live audit of values', () => {
  let pair: ReversePair;
  let clients: Record<Side, EtcdClient>;
  const stop = new AbortController();
  before(async () => {
    pair = await ReversePair.start(KEYS);
    for (const side of SIDES) await pair[side].leaseGrant(LEASES.at(-1)!, 600);
    clients = { source: new LateWatch(pair, 'source'), target: new LateWatch(pair, 'target') };
  });
  after(async () => {
    for (const client of Object.values(clients)) client.close();
    await pair.end();
  });

  async function changes(random: Random, atMost: number): Promise<void> {
    for (let i = random.between(0, atMost); i > 0; i--) await change(pair, random);
  }

  /** Writes some, asks while watches may be late, and looks. @returns how many differ */
  async function ask(live: LiveValues, random: Random, bring: boolean): Promise<number> {
    const late = SIDES.filter(() => random.between(0, 2) === 0);
    for (const side of late) pair.proxies[side].stall(true);
    await changes(random, 8);
    for (const side of late) await pair.foreign(side);
    if (bring) await bringAll(pair);
    const answer = { named: undefined as string[] | undefined };
    const asked = live.different(stop.signal).then((keys) => {
      answer.named = keys.map(String).sort();
    });
    await sleep(random.between(0, 50));
    // What is not heard yet is not known to be equal, nor to be anything else.
    if (late.length > 0) expect(answer.named).to.equal(undefined);
    for (const side of late) pair.proxies[side].stall(false);
    await asked;
    const truth = await differing(pair);
    expect(answer.named).to.deep.equal(truth);
    return truth.length;
  }

  it('names what differs, all of it and nothing else, however late its watches are', async () => {
    await Random.alone(async (random) => {
      await changes(random, KEYS);
      const quiet = { onNote: () => undefined, onKeys: () => undefined, signal: stop.signal };
      const comparing = LiveValues.compare({ ...clients, prefixes: pair.prefixes, ...quiet });
      const [live] = await Promise.all([comparing, changes(random, KEYS)]);
      live.hurry();
      const running = live.run(stop.signal);
      const differed: number[] = [];
      try {
        for (let round = 0; round < ROUNDS; round++) {
          // What is brought lands below where it was in some of them, as where nobody raises a head.
          if (round === 0 || random.between(0, 1) === 0) await ahead(pair, random.pick(SIDES));
          const asked = ask(live, random, round % 3 === 0);
          await Promise.race([asked, running]);
          differed.push(await asked);
        }
      } finally {
        stop.abort();
        await running;
      }
      // Neither answer comes by itself.
      expect(differed).to.include(0);
      expect(differed.some((keys) => keys > 0)).to.equal(true);
    });
  });
});

/** Raises the head of one side above the other one's. */
async function ahead(pair: ReversePair, side: Side): Promise<void> {
  const other = side === 'source' ? 'target' : 'source';
  const { revision } = await pair[other].head();
  while ((await pair.foreign(side)) <= revision + 20);
}

/** What differs gets what the target has. */
async function bringAll(pair: ReversePair): Promise<void> {
  const names = await differing(pair);
  if (names.length > 0) await ahead(pair, 'source');
  const target = await pair.held('target');
  for (const name of names) {
    const here = target.get(name);
    const key = name.slice(PREFIX.length);
    await pair.write('source', here ? put(key, here.value.toString(), here.lease) : del(key));
  }
}
