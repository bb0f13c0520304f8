/** Several endpoints: members that die, hang or belong elsewhere. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';
import { errorOf, run, Running } from '../cli/run.js';
import { PODS } from '../cli/stage.js';
import { compareRows, rowsOf } from '../oracle/rows.js';
import { EtcdCluster } from '../rig/cluster.js';
import { Etcd } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import { flagsOf, Gate } from './gate.js';
import { Journey, succeeded } from './journey.js';

/** docs/access.md says how long it takes; the rest is a slow machine's. */
const AFTER_DEATH_MS = 10_000;
const AFTER_HANGING_MS = 20_000;
/** From the start of the process on. */
const TOLD_WITHIN_MS = 8000;

/** Source and target with three members each, and a follower between them that is told of all. */
class Clusters {
  follower!: Running;

  private constructor(
    readonly source: EtcdCluster,
    readonly target: EtcdCluster,
    readonly journey: Journey,
  ) {}

  static async start(journey: Journey): Promise<Clusters> {
    const source = await EtcdCluster.start();
    journey.ways = { ...journey.ways, source: { endpoints: source.endpoint } };
    await source.ctl('put', `${PODS}a`, '1');
    await journey.seed();
    const target = await EtcdCluster.startFromSnapshot(journey.base);
    journey.ways = { ...journey.ways, target: { endpoints: target.endpoint } };
    const clusters = new Clusters(source, target, journey);
    clusters.follower = await journey.following();
    return clusters;
  }

  /** A put through one member of the source arrives at one of the target; how long it took. */
  async arrives(through: number): Promise<number> {
    const started = Date.now();
    const [from, to] = [this.source.members[through]!, this.target.members[through]!];
    const there = new Gate(to);
    const at = await persistently(() => new Gate(from).put(`${PODS}${started}`));
    while ((await persistently(() => there.head())) < at) await sleep(50);
    return Date.now() - started;
  }

  async both(what: (member: Etcd) => unknown, member: number): Promise<void> {
    for (const cluster of [this.source, this.target]) await what(cluster.members[member]!);
  }

  async exact(): Promise<void> {
    const [there, here] = await Promise.all(
      [this.source, this.target].map((c) => rowsOf(c.members[2]!, [PODS])),
    );
    expect(compareRows(there!, here!)).to.equal(undefined);
  }

  async end(): Promise<void> {
    await Promise.all([this.source.remove(), this.target.remove()]);
  }
}

/** While the cluster elects another leader nobody answers. */
async function persistently<T>(ask: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch {
      await sleep(50);
    }
  }
}

describe('access: several endpoints', () => {
  let journey: Journey;
  before(async () => {
    journey = await Journey.start();
  });
  after(() => journey.end());

  it('a member dies, hangs or is stopped while the follower talks to it: it goes on with another', async () => {
    const clusters = await Clusters.start(await Journey.start());
    const times: Record<string, number> = {};
    try {
      await clusters.arrives(0);
      await clusters.both((member) => member.kill(), 0);
      times['killed'] = await clusters.arrives(2);
      await clusters.both((member) => member.restart(), 0);

      await clusters.both((member) => {
        member.pause();
      }, 1);
      times['hanging'] = await clusters.arrives(2);
      await clusters.both((member) => {
        member.resume();
      }, 1);

      await clusters.both((member) => member.stop(), 2);
      times['stopped'] = await clusters.arrives(0);
      await clusters.both((member) => member.restart(), 2);

      await clusters.arrives(2);
      clusters.follower.signal('SIGTERM');
      succeeded(await clusters.follower.ended);
      await clusters.exact();
    } finally {
      await clusters.end();
      await clusters.journey.end();
    }
    console.log(`      goes on after, ms: ${JSON.stringify(times)}`);
    expect(times['killed']).to.be.lessThan(AFTER_DEATH_MS);
    expect(times['stopped']).to.be.lessThan(AFTER_DEATH_MS);
    expect(times['hanging']).to.be.lessThan(AFTER_HANGING_MS);
  });

  it('the first is dead when a command starts; all are', async () => {
    const dead = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`);
    const { endpoints = '' } = journey.ways.source;
    journey.ways = { ...journey.ways, source: { endpoints: `${dead[0] ?? ''},${endpoints}` } };
    await journey.seed();
    await journey.restore();
    const { endpoint } = journey.target.etcd;
    const [first = '', ...more] = [dead[1], endpoint];
    journey.ways = { ...journey.ways, target: { endpoints: [first, ...more].join() } };
    await journey.catchUp();

    const started = Date.now();
    const ended = await run([
      'status',
      ...flagsOf('target', { endpoints: dead.join() }),
      '-w',
      'json',
    ]);
    expect(ended.code).to.equal(3);
    expect(errorOf(ended)).to.include({ code: 'UNAVAILABLE', disposition: 'retry' });
    expect(Date.now() - started).to.be.lessThan(TOLD_WITHIN_MS);
  });

  // The first member may die before the second connection has met it.
  it('one that belongs to another cluster: no news to a second connection', async () => {
    const [one, other] = await Promise.all([Etcd.start(), Etcd.start()]);
    const client = new EtcdClient({ endpoints: [one.endpoint, other.endpoint] }, 'source');
    const beside = client.another();
    try {
      await client.head();
      await one.kill();
      const error = await beside.head().catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(LockstepError).with.property('code', 'ENDPOINTS_DIFFER');
      expect(String(error)).to.contain(`source ${other.endpoint} is another cluster`);
    } finally {
      client.close();
      beside.close();
      await Promise.all([one.remove(), other.remove()]);
    }
  });

  it('one that belongs to another cluster: noticed before anything is asked of it', async () => {
    for (const side of ['source', 'target'] as const) {
      const here = await Journey.start();
      let other: Etcd | undefined;
      try {
        await here.seed();
        await here.restore();
        // The most dangerous one: a copy of the target, which every guard would hold for the target.
        other = side === 'target' ? await Etcd.startFromSnapshot(here.base) : await Etcd.start();
        await other.ctl('put', 'etcd-lockstep/slot/00', '');
        const before = await new Gate(other).everything();
        const list = [here[side].etcd.endpoint, other.endpoint].join();
        here.ways = { ...here.ways, [side]: { endpoints: list } };
        const follower = await here.following();
        await here[side].etcd.kill();
        const ended = await follower.ended;
        expect(ended.code, ended.stderr).to.equal(2);
        const { code, message, hint, ...error } = errorOf(ended);
        expect([code, error.side]).to.deep.equal(['ENDPOINTS_DIFFER', side]);
        expect(message).to.contain(`${side} ${other.endpoint} is another cluster`);
        expect(hint).to.contain(side === 'source' ? '--endpoints' : '--dest-endpoints');
        expect(await new Gate(other).everything()).to.equal(before);
      } finally {
        await other?.remove();
        await here.end();
      }
    }
  });
});
