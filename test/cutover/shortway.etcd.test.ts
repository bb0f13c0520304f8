/**
 * The short way back: where the source was kept current, nothing is read in the freeze but what came last, and
 * whatever is wrong on that way leads to the long one. In the end the source has what the target had, by both.
 */
import { expect } from 'chai';
import { OWN_PREFIX, prefixRange, PrefixSet } from '../../src/mvcc/prefix.js';
import { readReverse, reverseKey } from '../../src/target/reversecursor.js';
import { put } from '../../src/target/txn.js';
import { PODS, Stage } from '../cli/stage.js';
import { withCerts } from '../kube/scene.js';
import { Night, type Side } from './night.js';
import { failure, MeddledClient, until } from './pair.js';
import { expectReturned, held } from './returned.js';

describe('the short way back', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let night: Night;
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.end());
  beforeEach(async () => {
    night = await Night.start(stage, certs());
    await night.cutover();
    night.hooked.length = 0;
  });
  afterEach(() => night.end());

  const del = async (side: Side, name: string) =>
    night.direct[side].txn({
      success: [{ requestDeleteRange: { key: Buffer.from(`${PODS}${name}`) } }],
    });

  const same = () => expectReturned(night);

  async function changes(): Promise<void> {
    await night.put('target', 'default/a', 'there');
    await del('target', 'default/b');
    await del('target', 'default/c');
    await night.put('target', 'default/c', 'anew');
    await night.put('target', 'default/new', '1');
    await night.put('target', 'default/new', '2');
  }

  it('the reverse runs: it is ended, the last changes come over, no key is brought in the freeze', async () => {
    const { reverse, ended } = night.reverse();
    await changes();
    await night.reversed(reverse);
    // Up to the moment of the freeze it is written.
    let n = 0;
    night.onStep = (step) => {
      if (['catch up', 'freeze', 'quiet'].includes(step))
        void night.put('target', 'default/a', `${++n}`);
    };
    const { back, brought, ownSeconds, alarms } = await night.rollback();
    expect(back).to.deep.equal({ way: 'short', why: null });
    expect(brought.keys).to.equal(0);
    expect(alarms).to.deep.equal([]);
    expect(ownSeconds).to.be.below(5);
    expect(night.steps).to.include.members(['audit', 'catch up', 'drain', 'raise']);
    expect(night.steps).not.to.include('bring back');
    await ended;
    expect(reverse.status.endedBy).to.equal('rolling back');
    await same();
  });

  it('it does not run any more: what is left is brought while all is live; also over lost history', async () => {
    const stop = new AbortController();
    const { reverse, ended } = night.reverse({ signal: stop.signal });
    await night.reversed(reverse);
    stop.abort();
    await ended;
    await changes();
    const { target } = await night.heads();
    await night.direct.target.compact(target);
    const { back, brought } = await night.rollback();
    expect(back.way, back.why ?? '').to.equal('short');
    expect(brought.put + brought.deleted).to.be.at.least(4);
    await same();
  });

  it('a late write on the source: the long way, and it is named', async () => {
    const { reverse } = night.reverse();
    await changes();
    await night.put('source', 'kube-system/d', 'late');
    await night.reversed(reverse);
    await until(() => reverse.status.lateWrites.count === 1);
    const { back, brought, alarms } = await night.rollback();
    expect(back.way).to.equal('long');
    expect(back.why).to.contain('kube-system/d is not the same');
    // What the reverse has brought is no late write, and is not brought twice.
    expect(brought.replaced).to.deep.equal({ count: 1, keys: [`${PODS}kube-system/d`] });
    expect(brought).to.deep.include({ put: 1, deleted: 0 });
    expect(alarms.join()).to.contain('1 late writes');
    await same();
  });

  it('a run that only took the cursor behind a late write, before it saw it: it is named on the long way', async () => {
    const stop = new AbortController();
    const { reverse, ended } = night.reverse({ signal: stop.signal });
    await changes();
    await night.reversed(reverse);
    stop.abort();
    await ended;
    // What the reverse has brought, and the target has changed since, is none.
    await night.put('target', 'default/a', 'changed since');
    await night.put('source', 'kube-system/d', 'late');
    const dying = new MeddledClient(stage.source.endpoint, 'source');
    dying.meddle = async (send, n) => {
      if (n > 1) throw new Error('killed');
      return send();
    };
    await night.reverse({ source: dying }).ended.catch(() => undefined);
    dying.close();
    night.onStep = (step) => {
      if (step !== 'catch up') return;
      night.source.meddle = (send) => {
        night.source.meddle = undefined;
        return send().then(() => Promise.reject(new Error('gone')));
      };
    };
    const { back, brought } = await night.rollback();
    expect(back.way).to.equal('long');
    expect(brought.replaced).to.deep.equal({ count: 1, keys: [`${PODS}kube-system/d`] });
    await same();
  });

  it('a watch that is silent in the freeze proves nothing: the long way', async () => {
    const { reverse } = night.reverse();
    await changes();
    await night.reversed(reverse);
    night.onStep = (step) => {
      if (step === 'drain') night.proxies.source.stall(true);
      if (step === 'raise') night.proxies.source.stall(false);
    };
    const ended = night.rollback();
    await until(() => night.notes.some((note) => note.includes('not the short way')));
    night.proxies.source.stall(false);
    const { back } = await ended;
    expect(back.way).to.equal('long');
    await same();
  });

  it('stopped in each step and begun anew', async () => {
    night.reverse();
    await changes();
    for (const at of ['audit', 'catch up', 'freeze', 'drain', 'raise', 'switch', 'unfreeze']) {
      const stop = new AbortController();
      night.onStep = (step) => {
        if (step === at) stop.abort();
      };
      const ended = await night.rollback({ signal: stop.signal }).then(() => 'done', String);
      expect(ended, at).to.contain('AbortError');
      if (at === 'audit') await night.put('target', 'default/a', 'later');
    }
    night.onStep = undefined;
    await night.rollback();
    await same();
  });

  /** A reverse that stands where it is about to claim the cursor, until each of `late` is called. */
  async function justBeginning() {
    const beginning = new MeddledClient(stage.source.endpoint, 'source');
    const late: (() => void)[] = [];
    beginning.meddle = async (send) => {
      await new Promise<void>((resolve) => late.push(resolve));
      return send();
    };
    const second = night.reverse({ source: beginning });
    await until(() => late.length > 0);
    return { beginning, late, second };
  }

  it('what a reverse had sent, and one that was just beginning, change nothing when it is over', async () => {
    const slow = new MeddledClient(stage.source.endpoint, 'source');
    const held: (() => void)[] = [];
    const { reverse } = night.reverse({ source: slow });
    await night.reversed(reverse);
    slow.meddle = async (send) => {
      await new Promise<void>((resolve) => held.push(resolve));
      return send();
    };
    await night.put('target', 'default/a', 'on its way');
    await until(() => held.length > 0);
    // Another one stands where it is about to claim the cursor.
    const { beginning, late, second } = await justBeginning();
    const { back } = await night.rollback();
    expect(back.way, back.why ?? '').to.equal('short');
    await same();
    await night.put('source', 'default/a', 'clients');
    await night.put('target', 'default/a', 'nobody');
    slow.meddle = beginning.meddle = undefined;
    for (const go of [...held, ...late]) go();
    await second.ended.catch(() => undefined);
    expect((await rowOf('default/a'))?.value.toString()).to.equal('clients');
    const { rows } = await night.direct.source.range(prefixRange(OWN_PREFIX));
    expect(rows.length).to.equal(0);
    slow.close();
    beginning.close();
  });

  it('retire: what the reverse has brought is removed; not over a late write; nothing of ours is left', async () => {
    const { reverse, ended } = night.reverse();
    await changes();
    const late = await night.put('source', 'kube-system/d', 'late');
    await night.reversed(reverse);
    await until(() => reverse.status.lateWrites.count === 1);
    const refused = await failure(night.retire());
    expect([refused.code, refused.revision]).to.deep.equal(['LATE_WRITE', late]);
    expect(await night.phase()).to.equal('done');
    // It is changed on the target, and so it is replaced.
    await night.put('target', 'kube-system/d', 'there');
    await night.reversed(reverse);
    const { removed, left, reverse: upTo } = await night.retire();
    expect([removed, left]).to.deep.equal([true, 0]);
    expect(upTo).to.be.a('number');
    await ended;
    expect(reverse.status.endedBy).to.be.oneOf(['retiring', 'retired']);
    await night.put('target', 'default/a', 'only there');
    expect((await night.direct.source.range(prefixRange(OWN_PREFIX))).count).to.equal(0);
    expect(await night.pods('source')).to.deep.equal([]);
  });

  it('retire: stopped behind its mark it goes on, and never removes what is newer', async () => {
    const { reverse } = night.reverse();
    await changes();
    await night.reversed(reverse);
    let n = 0;
    night.source.meddle = async (send) => {
      // The first two are the marks, the next a page.
      if (++n === 3) throw new Error('killed');
      return send();
    };
    expect(await night.retire().catch(String)).to.contain('killed');
    night.source.meddle = undefined;
    await night.put('source', 'default/a', 'late');
    expect((await failure(night.retire())).code).to.equal('LATE_WRITE');
    await del('source', 'default/a');
    expect((await night.retire()).left).to.equal(0);
    expect((await night.direct.source.range(prefixRange(OWN_PREFIX))).count).to.equal(0);
  });

  it('retire: a late write that was found behind its mark is not removed by the next run either', async () => {
    const { reverse } = night.reverse();
    await changes();
    await night.reversed(reverse);
    let n = 0;
    night.source.meddle = async (send) => {
      // Just before the mark, behind all that was looked at.
      if (++n === 1) await night.put('source', 'kube-system/d', 'late');
      return send();
    };
    expect((await failure(night.retire())).code).to.equal('LATE_WRITE');
    night.source.meddle = undefined;
    expect(await night.phase()).to.equal('retiring');
    expect((await failure(night.retire())).code).to.equal('LATE_WRITE');
    expect((await rowOf('kube-system/d'))?.value.toString()).to.equal('late');
  });

  it('retire: a reverse that was just beginning leaves its mark alone', async () => {
    const { reverse, ended } = night.reverse();
    await changes();
    await night.reversed(reverse);
    const { beginning, late, second } = await justBeginning();
    let n = 0;
    night.source.meddle = async (send) => {
      if (++n === 3) throw new Error('killed');
      return send();
    };
    expect(await night.retire().catch(String)).to.contain('killed');
    night.source.meddle = beginning.meddle = undefined;
    for (const go of late) go();
    await Promise.all([ended, second.ended]);
    expect(second.reverse.status.endedBy).to.equal('retiring');
    const cursor = await readReverse(night.direct.source, PrefixSet.of([PODS]));
    expect(cursor?.writer).to.equal('retire, verified');
    expect((await night.retire()).left).to.equal(0);
    beginning.close();
  });

  it('retire: what cannot be looked at any more behind its mark ends it, and is not tried for ever', async () => {
    const { reverse } = night.reverse();
    await changes();
    await night.reversed(reverse);
    let n = 0;
    night.source.meddle = async (send) => {
      const answer = await send();
      if (++n !== 1) return answer;
      await night.foreign('source', 1);
      await night.direct.source.compact((await night.heads()).source);
      return answer;
    };
    const { code, hint } = await failure(night.retire());
    expect(code).to.equal('TARGET_DIFFERENT');
    expect(hint).to.contain('by hand');
    night.source.meddle = undefined;
    expect((await failure(night.retire())).code).to.equal('TARGET_DIFFERENT');
  });

  it('retire: a reverse that began to compare behind the last look is ended for good, and so is this', async () => {
    const stop = new AbortController();
    const { reverse, ended } = night.reverse({ signal: stop.signal });
    await night.reversed(reverse);
    stop.abort();
    await ended;
    let n = 0;
    night.source.meddle = async (send) => {
      if (++n > 1) return send();
      const cursor = await readReverse(night.direct.source, PrefixSet.of([PODS]));
      const value = Buffer.from(JSON.stringify({ ...cursor, comparing: true }));
      await night.direct.source.txn({ success: [put(reverseKey(PrefixSet.of([PODS])), value)] });
      return send();
    };
    const { code, message } = await failure(night.retire());
    expect(code).to.equal('TARGET_DIFFERENT');
    expect(message).to.contain('compared');
  });

  const rowOf = async (name: string) => (await held(night, 'source')).get(`${PODS}${name}`);
});
