/** Audits of moving things: at a revision of choice, beside compactions, while a follower runs. */
import { expect } from 'chai';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { audit } from '../../src/audit/audit.js';
import type { Difference } from '../../src/audit/report.js';
import { seal } from '../../src/base/seal.js';
import { Journal } from '../../src/journal/journal.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { proven } from '../../src/position.js';
import { watchLimits } from '../../src/source/limits.js';
import { watchRevisions } from '../../src/source/watch.js';
import { EtcdClient, type WatchStream } from '../../src/wire/client.js';
import * as contract from '../cli/contract.js';
import { errorOf, run, Running, whole } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { versions } from '../rig/etcd.js';

const prefixes = PrefixSet.of([PODS]);

describe('audit at a revision', () => {
  let stage: Stage;
  beforeEach(async () => {
    stage = await Stage.start();
  });
  afterEach(() => stage.end());

  it('older is compared as it was; compacted and future have names of their own', async () => {
    for (const value of ['1', '2', '3', '4']) await stage.put(`${PODS}a`, value);
    const { base, sealed } = await stage.seed();
    const target = await stage.etcd(base);
    await target.ctl('put', `${PODS}b`, 'v');

    const old = await stage.audit(target, '--revision', `${sealed.head - 2}`);
    expect(old.code, old.stderr).to.equal(0);
    const { report } = contract.auditReport.parse(whole(old.stdout).at(-1));
    expect(report.revision).to.equal(sealed.head - 2);
    expect(report.sourceHead).to.equal(sealed.head);

    const future = await stage.audit(target, '--revision', `${sealed.head + 9}`);
    expect(future.code).to.equal(3);
    expect(errorOf(future).code).to.equal('FUTURE_REVISION');
    expect(errorOf(future).hint).to.contain('--revision');

    await stage.client.compact(sealed.head - 1);
    const gone = await stage.audit(target, '--revision', `${sealed.head - 2}`);
    // Not 4: nothing has to be seeded again because somebody asked for an old revision.
    expect(gone.code).to.equal(2);
    expect(errorOf(gone)).to.include({ code: 'BAD_ARGUMENT', side: 'source' });
    expect(errorOf(gone).hint).to.contain('--revision');
    expect(gone.stdout).to.equal('');
  });

  it('a target that nobody follows: equal, and how far the source is by now', async () => {
    await stage.put(`${PODS}a`);
    const { base, sealed } = await stage.seed();
    const target = await stage.etcd(base);
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const further = () => run(['audit', ...ends]);
    expect((await further()).stdout).not.to.contain('further');
    await stage.foreign(3);
    const { code, stdout } = await further();
    expect(code).to.equal(0);
    const { head } = sealed;
    expect(stdout).to.contain(
      `as of revision ${head}; the source was at ${head + 3} by then, 3 further`,
    );
  });

  it('runs while the follower does and the source is written', async () => {
    await stage.put(`${PODS}a`);
    const { journal, base } = await stage.seed();
    const target = await stage.etcd(base);
    const follower = new Running(stage.followArgs(journal, target.endpoint));
    const over = new AbortController();
    const writes = (async () => {
      for (let i = 0; !over.signal.aborted; i++) {
        await stage.put(i % 2 ? '/registry/events/e' : `${PODS}${i % 40}`, `v${i}`);
        await sleep(5);
      }
    })();
    try {
      await follower.line(contract.follow, (line) => line.state === 'in lockstep');
      const revisions: number[] = [];
      for (let i = 0; i < 3; i++) {
        const ended = await stage.audit(target, '--history');
        expect(ended.code, ended.stdout + ended.stderr).to.equal(0);
        const { report } = contract.auditReport.parse(whole(ended.stdout).at(-1));
        expect(report.cursor?.agrees).to.equal(true);
        revisions.push(report.revision);
      }
      expect(revisions).to.deep.equal([...new Set(revisions)].sort((a, b) => a - b));
    } finally {
      over.abort();
      await writes;
      follower.signal('SIGTERM');
      await follower.ended;
    }
  });

  it('--history finds a key that came and went, which no key by key comparison can', async () => {
    await stage.put(`${PODS}a`);
    const gone = await stage.put(`${PODS}short-lived`);
    await stage.source.ctl('del', `${PODS}short-lived`);
    const head = await stage.put(`${PODS}z`);
    const target = await stage.etcd(await baseWithout(new Set([gone, gone + 1]), head));

    expect((await stage.audit(target)).code).to.equal(0);
    const ended = await stage.audit(target, '--history');
    expect(ended.code).to.equal(1);
    const lines = whole(ended.stdout);
    const { report } = contract.auditReport.parse(lines.pop());
    expect(lines.map((line) => contract.auditDifference.parse(line).difference)).to.deep.equal(
      [gone, gone + 1].map((revision) => ({
        key: `${PODS}short-lived`,
        kind: 'missing on target',
        fields: [],
        revision,
      })),
    );
    expect(report.history).to.deep.equal({ after: 1, events: 4, differences: 2 });
    expect(report).to.deep.include({ equal: false, differences: 2 });
  });

  it('--history of a target that lacks the foreign revisions, on each version', async () => {
    await stage.put(`${PODS}a`);
    for (const pod of ['b', 'c', 'a']) {
      await stage.foreign(3);
      await stage.put(`${PODS}${pod}`, 'v2');
    }
    await stage.foreign(3);
    let events = 4;
    for (const version of versions()) {
      const { base, journal, sealed } = await stage.seed();
      const target = await stage.etcd(base, { version });
      const audited = async (...more: string[]) => {
        const ended = await stage.audit(target, '--history', ...more);
        expect(ended.code, `${version}: ${ended.stdout}${ended.stderr}`).to.equal(0);
        return contract.auditReport.parse(whole(ended.stdout).at(-1)).report.history;
      };
      expect(await audited()).to.deep.equal({ after: 1, events, differences: 0 });
      // One that the target does not have.
      expect(await audited('--revision', `${sealed.head - 1}`)).to.include({ events });
      await stage.foreign(2);
      await stage.put(`${PODS}a`, version);
      await stage.foreign(2);
      expect((await stage.follow(journal, target, '--until-synced')).code).to.equal(0);
      expect(await audited()).to.include({ events: ++events, differences: 0 });
    }
  });

  it('--history finds what such a target lost', async () => {
    const gone = await stage.put(`${PODS}short-lived`);
    await stage.source.ctl('del', `${PODS}short-lived`);
    await stage.foreign(3);
    const head = await stage.put(`${PODS}z`);
    const target = await stage.etcd(await baseWithout(new Set([gone, gone + 1]), head), {
      version: versions()[0]!,
    });
    const ended = await stage.audit(target, '--history');
    expect(ended.code, ended.stderr).to.equal(1);
    const { report } = contract.auditReport.parse(whole(ended.stdout).at(-1));
    expect(report.history?.differences).to.equal(2);
  });

  it('--history starts over when its own history is compacted away under it', async () => {
    for (let i = 0; i < 5; i++) await stage.put(`${PODS}a`, `${i}`);
    const { base, sealed } = await stage.seed();
    const target = await stage.etcd(base);
    const source = new CompactedUnderWatch(stage.source.endpoint, sealed.head - 1);
    const client = new EtcdClient(target.endpoint, 'target');
    const found: Difference[] = [];
    try {
      const report = await audit({
        source,
        target: client,
        prefixes,
        history: true,
        onDifference: (difference) => found.push(difference),
        signal: AbortSignal.timeout(20_000),
      });
      expect(report).to.deep.include({ equal: true, differences: 0 });
      expect(report.history).to.deep.equal({ after: sealed.head - 1, events: 1, differences: 0 });
    } finally {
      source.close();
      client.close();
    }
  });

  /** A base sealed from everything that the source has told, less some revisions. */
  async function baseWithout(left: ReadonlySet<number>, head: number): Promise<string> {
    const { clusterId, version } = await stage.client.status();
    const signal = AbortSignal.timeout(20_000);
    const journal = await Journal.create(
      join(stage.dir, 'crafted'),
      { clusterId, prefixes },
      { watchFrom: 2, base: { how: 'snapshot', done: true }, compactRevision: 1 },
    );
    const options = { prefixes, after: proven(1), limits: watchLimits(version), clusterId, signal };
    for await (const { revisions, position } of watchRevisions(stage.client, options)) {
      await journal.append(
        revisions.filter(({ revision }) => !left.has(revision)),
        position,
      );
      if (position >= head) break;
    }
    const out = join(stage.dir, 'crafted.db');
    const leaseTtl = () => Promise.resolve(undefined);
    await seal(journal, { out, source: clusterId, leaseTtl, signal });
    await journal.close();
    return out;
  }
});

/** A source that is compacted exactly between the question how far it is and the watch from there. */
class CompactedUnderWatch extends EtcdClient {
  #left = 1;

  constructor(
    endpoint: string,
    private readonly revision: number,
  ) {
    super(endpoint, 'source');
  }

  override async watch(): Promise<WatchStream> {
    const stream = await super.watch();
    return {
      ...stream,
      send: (request) => {
        if (this.#left-- > 0)
          void this.compact(this.revision).then(() => {
            stream.send(request);
          });
        else stream.send(request);
      },
    };
  }
}
