/**
 * The approach, step by step, with each channel late, silent or answering for somebody else, and something
 * untrue behind it: it waits, or writes are let in again and nothing was taken. docs/proofs.md is its table.
 *
 * What it catches. Each of these was put into src/cutover, found, and taken out again:
 *   the wait for the source's watch, and for both; the freeze not proven before the takeover, or behind it
 *   no second preflight; a freeze of others passed by; a list of any revision, number or content taken
 *   no look whether somebody brings the target on
 *   writes let in although the takeover had landed, or nobody knew; no look for the target as the source
 */
import { expect } from 'chai';
import { pause } from '../../src/async/again.js';
import { LockstepError } from '../../src/errors.js';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeOwner } from '../../src/kube/owner.js';
import { PODS } from '../../src/kube/resource.js';
import { EtcdClient } from '../../src/wire/client.js';
import { Stage } from '../cli/stage.js';
import { status, type Reply } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';
import { Night } from './night.js';
import { failure } from './pair.js';
import { isFreeze, isHold, isList, listedFrom } from './servedfrom.js';

/** Nobody says go. */
/** Far more than a watch on this machine takes. */
const WATCHED_WITHIN_MS = 500;

const noGo = () => Promise.reject(new LockstepError('NO_GO', 'no'));

describe('proofs of the approach', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let night: Night;
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.end());
  beforeEach(async () => {
    night = await Night.start(stage, certs());
  });
  afterEach(() => night.end());

  /** Ends with this; the target is in lockstep still, and nothing is frozen. */
  async function refused(ended: Promise<unknown>, code: string): Promise<string> {
    const error = await failure(ended);
    expect(error.code, error.message).to.equal(code);
    expect(await night.phase()).to.equal(undefined);
    expect(night.frozen).to.equal(false);
    expect(night.hooked).to.deep.equal([]);
    return error.message;
  }

  /** From the freeze on nothing comes by this channel, although there is something. */
  function starve(channel: keyof Night['proxies']): void {
    night.once(isFreeze, () => {
      night.proxies[channel].stall(true);
      return night.foreign('source', 1);
    });
  }

  it('all is well: cut over, with nothing to tell', async () => {
    const report = await night.cutover();
    expect(report).to.deep.include({ keys: 4, alarms: [], lateWrites: { count: 0, named: [] } });
    expect(await night.phase()).to.equal('done');
    expect(night.frozen).to.equal(false);
    expect(night.hooked.length).to.equal(2);
    const { source, target } = report.heads!;
    expect(target).to.be.greaterThan(source);
  });

  it('the source is the target by another name: SAME_ETCD', async () => {
    const { clusterId } = await night.direct.source.head();
    const source = new SameId(night.proxies.target.endpoint, 'source');
    source.id = clusterId;
    try {
      await refused(night.cutover({ source }), 'SAME_ETCD');
      const fence = night.fence({ source });
      await refused(fence, 'SAME_ETCD');
    } finally {
      source.close();
    }
  });

  it('an apiserver lists something else than lies in etcd: OTHER_OBJECTS', async () => {
    const other: ((list: List) => List)[] = [
      ({ metadata }) => ({ metadata, items: [] }),
      // As a new etcd has it, and as this one had it then; and one that is further on.
      () => ({ metadata: { resourceVersion: '1' }, items: [] }),
      ({ items }) => ({ metadata: { resourceVersion: '999999' }, items }),
      ({ metadata, items }) => ({ metadata, items: items.slice(1) }),
      ({ metadata, items }) => ({ metadata, items: items.map(renamed) }),
      ({ metadata, items }) => ({ metadata, items: items.map(changed) }),
    ];
    for (const change of other) {
      night.onAsked = async (asked, server) => {
        const reply = await listedFrom(night.direct.source, asked);
        return server === 1 && reply ? [200, change(reply[1] as List)] : undefined;
      };
      await refused(night.cutover({ go: noGo }), 'OTHER_OBJECTS');
    }
  });

  it('a list that comes late is held against etcd as it was then', async () => {
    night.onAsked = async (asked) => {
      const reply = await listedFrom(night.direct.source, asked);
      if (reply) await night.put('source', 'default/a', 'anew');
      return reply;
    };
    await refused(night.cutover({ go: noGo }), 'NO_GO');
  });

  it('what was looked at before go is looked at again: the lists, the freeze', async () => {
    const asked = (then: () => Promise<unknown>) =>
      night.cutover({
        go: async () => {
          await then();
        },
      });
    const empty: Reply = [200, { metadata: { resourceVersion: '1' }, items: [] }];
    const lists = asked(() => {
      night.onAsked = (one) => Promise.resolve(isList(one) ? empty : undefined);
      return Promise.resolve();
    });
    await refused(lists, 'OTHER_OBJECTS');
    night.onAsked = undefined;
    const other = freezeOwner('rollback');
    const frozen = asked(() => Freeze.apply(night.apis, [PODS], 'webhook', other));
    expect((await failure(frozen)).code).to.equal('FREEZE_TAKEN');
    expect(await night.phase()).to.equal(undefined);
    expect(night.scene.cluster.objects.size).to.equal(1);
  });

  it('an apiserver that learns late of the freeze is waited for, by name; its last write is moved', async () => {
    night.fakes[1]!.late = 4;
    night.once(isFreeze, () => night.put('source', 'default/last'));
    await night.cutover();
    expect(night.notes.join()).to.match(/waiting for .*is still accepted/);
    expect(await night.pods('target')).to.include('default/last');
  });

  it("the source's watch is late: the drain waits for it, and for what was behind it", async () => {
    starve('source watch');
    const ended = night.cutover();
    await night.at('drain');
    await night.put('source', 'default/late');
    await night.holds('drain');
    night.proxies['source watch'].stall(false);
    await ended;
    expect(await night.pods('target')).to.include('default/late');
  });

  it("the source's watch is silent: NOT_DRAINED when the time is over", async () => {
    starve('source watch');
    const ended = night.cutover({ maxFreezeSeconds: 0.6 });
    // Where the head has not moved since the audit there is nothing that the watch would have to bring.
    await night.at('freeze');
    await night.foreign('source', 1);
    expect(await refused(ended, 'NOT_DRAINED')).to.contain("the source's watch has come to");
    expect(night.notes.join()).to.contain('letting writes in again');
  });

  it('stopped before the quiet time is over, with a source that is quiet: nothing is taken', async () => {
    const stop = new AbortController();
    const ended = night.cutover({ quietMs: 60_000, signal: stop.signal });
    await night.at('drain');
    stop.abort(new LockstepError('NO_GO', 'stopped'));
    await refused(ended, 'NO_GO');
    expect(night.notes.join()).to.contain('letting writes in again');
  });

  it('stopped when all that is left is to take over: nothing is taken, by the fence alone neither', async () => {
    for (const run of ['cutover', 'fence'] as const) {
      const stop = new AbortController();
      night.onStep = (step) => {
        if (step === 'takeover') stop.abort(new LockstepError('NO_GO', 'stopped'));
      };
      await refused(night[run]({ signal: stop.signal }), 'NO_GO');
    }
  });

  it("the target's watch is late: the comparison waits; is silent: NOT_DRAINED", async () => {
    starve('target watch');
    const silent = night.cutover({ maxFreezeSeconds: 0.6 });
    expect(await refused(silent, 'NOT_DRAINED')).to.contain('was found equal up to');
    night.proxies['target watch'].stall(false);
    starve('target watch');
    const ended = night.cutover();
    await night.holds('compare');
    night.proxies['target watch'].stall(false);
    await ended;
  });

  it('nobody follows, and little is missing: NOT_DRAINED before anything is frozen, also behind go', async () => {
    const ended = night.cutover({
      go: async () => {
        await night.follower.end();
        await night.foreign('source', 1);
      },
    });
    expect(await refused(ended, 'NOT_DRAINED')).to.contain(
      '1 behind the source, and does not come on',
    );
    expect(night.steps).to.deep.equal(['preflight', 'audit']);
    expect(await refused(night.cutover(), 'NOT_DRAINED')).to.contain('does not come on');
    expect(night.steps).to.deep.equal(['preflight']);
  });

  it('the follower is late: what it has not brought yet is waited for', async () => {
    night.once(isFreeze, async () => {
      await night.follower.end();
      await night.put('source', 'default/late');
    });
    expect(await refused(night.cutover({ maxFreezeSeconds: 0.6 }), 'NOT_DRAINED')).to.contain(
      'equal',
    );
  });

  it('the freeze was taken away before the takeover: FREEZE_LOST, nothing taken', async () => {
    starve('target watch');
    const ended = night.cutover();
    await night.at('compare');
    night.thaw();
    night.proxies['target watch'].stall(false);
    await refused(ended, 'FREEZE_LOST');
  });

  it('the freeze was taken away while the target was taken over: FREEZE_LOST, nobody is moved', async () => {
    night.once(isHold, async () => {
      night.thaw();
      await night.put('source', 'default/late');
      // The watches of the audit have it before the answer is there, and must not be asked any more.
      await pause(WATCHED_WITHIN_MS);
    });
    const error = await failure(night.cutover());
    expect(error.code).to.equal('FREEZE_LOST');
    expect(error.message).to.contain('the source may have been written since');
    expect(night.hooked).to.deep.equal([]);
    // The same command finds it.
    expect((await failure(night.cutover())).code).to.equal('LATE_WRITE');
    expect(night.hooked).to.deep.equal([]);
  });

  it('whether the takeover has landed is not known: writes stay frozen', async () => {
    night.target.meddle = async (send) => {
      await send();
      throw new LockstepError('ETCD', 'nobody knows');
    };
    expect((await failure(night.cutover())).code).to.equal('ETCD');
    expect(await night.phase()).to.equal('fenced');
    expect(night.frozen).to.equal(true);
    expect(night.notes.join()).to.contain('writes stay frozen');
  });

  it('nor can the target be asked: writes stay frozen', async () => {
    night.target.meddle = async (send) => {
      await send();
      night.proxies.target.refuse(true);
      night.proxies.target.cut();
      throw new LockstepError('ETCD', 'nobody knows');
    };
    expect((await failure(night.cutover())).code).to.equal('ETCD');
    expect(night.frozen).to.equal(true);
    expect(night.notes.join()).to.contain('writes may still be frozen');
  });

  it('no apiserver says whether the freeze stands: nothing is taken', async () => {
    starve('target watch');
    const ended = night.cutover();
    await night.at('compare');
    const answer: Reply = [503, status(503, 'ServiceUnavailable', 'not now')];
    night.onAsked = ({ method, path }) =>
      Promise.resolve(method === 'GET' && path.includes('admission') ? answer : undefined);
    night.proxies['target watch'].stall(false);
    const error = await failure(ended);
    expect(error.code).to.equal('KUBE_UNAVAILABLE');
    expect(await night.phase()).to.equal(undefined);
    expect(night.notes.join()).to.contain('writes may still be frozen');
  });
});

/** Single etcds with default flags have the same cluster id; those of these tests have not. */
class SameId extends EtcdClient {
  id = '';

  override async head(key?: Uint8Array): ReturnType<EtcdClient['head']> {
    return { ...(await super.head(key)), clusterId: this.id };
  }
}

interface Pod {
  metadata: { name: string; resourceVersion: string };
}
interface List {
  metadata: object;
  items: Pod[];
}

function renamed({ metadata, ...rest }: Pod): Pod {
  return { ...rest, metadata: { ...metadata, name: `${metadata.name}-else` } };
}

function changed({ metadata, ...rest }: Pod): Pod {
  return { ...rest, metadata: { ...metadata, resourceVersion: '1' } };
}
