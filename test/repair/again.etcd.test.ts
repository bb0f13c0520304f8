/**
 * There and back, and there again: follow --again on a target that was rolled back from. Either every row is
 * the source's from the gap's end on, and another night goes on there as any other, or nothing was changed
 * and the keys that stand in the way are named.
 */
import { expect } from 'chai';
import { cpSync } from 'node:fs';
import { followAgain } from '../../src/lockstep/again.js';
import { EtcdClient, type RangeQuery } from '../../src/wire/client.js';
import { Stage } from '../cli/stage.js';
import { run } from '../cli/run.js';
import { PODS, fingerprint } from '../cli/stage.js';
import { Night } from '../cutover/night.js';
import { failure, until } from '../cutover/pair.js';
import { withCerts } from '../kube/scene.js';
import { followUntilSynced } from '../oracle/following.js';
import { compareRows, rowsOf } from '../oracle/rows.js';
import { refusal, reseed } from '../refusals/refused.js';

describe('follow --again', () => {
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

  async function unmoved(): Promise<void> {
    const stop = new AbortController();
    night.onStep = (step) => {
      if (step === 'switch') stop.abort();
    };
    expect(await night.cutover({ signal: stop.signal }).then(() => '', String)).to.contain('Abort');
    night.onStep = undefined;
    await night.rollback();
  }

  const del = async (side: 'source' | 'target', name: string) =>
    night.direct[side].txn({
      success: [{ requestDeleteRange: { key: Buffer.from(`${PODS}${name}`) } }],
    });

  const again = async (notes: string[] = []) =>
    followUntilSynced(night.place, { again: true, notes });

  /** Every row that lives, all fields of it, and every event above the gap. */
  async function exact(): Promise<void> {
    await until(async () => {
      const { source, target } = await night.heads();
      return source === target;
    });
    const { source } = await night.heads();
    // What was made up is gone from the target; the source may have more.
    await night.direct.source.compact(source);
    await night.direct.target.compact(source);
    const [there, here] = await Promise.all([
      rowsOf(stage.source, [PODS]),
      rowsOf(night.targetEtcd, [PODS]),
    ]);
    expect(compareRows(there, here)).to.equal(undefined);
    const audit = await stage.audit(night.targetEtcd);
    expect(audit.code, audit.stdout + audit.stderr).to.equal(0);
  }

  it('nobody had moved: on without a seed, and there and back once more, and again', async () => {
    await unmoved();
    await night.put('source', 'default/a', 'later');
    await del('source', 'default/b');
    await del('source', 'default/c');
    await night.put('source', 'default/c', 'anew');
    await night.put('source', 'default/new');
    await night.followAgain();
    await exact();
    await night.put('source', 'default/a', 'live');
    await exact();

    // A whole night, and another one, in the same target.
    await night.cutover();
    expect(await night.phase()).to.equal('done');
    await night.put('target', 'default/there');
    await night.rollback();
    expect(await night.pods('source')).to.include('default/there');
    await night.followAgain();
    await exact();
    const { heads } = await night.cutover();
    expect(heads?.target).to.be.above(heads?.source ?? 0);
  });

  it('pods came and went there: made exact, also where the source has compacted', async () => {
    await night.cutover();
    await del('target', 'default/b');
    await night.put('target', 'default/b', 'anew there');
    await del('target', 'default/c');
    await night.put('target', 'default/new');
    await night.put('target', 'default/new', 'twice');
    await night.rollback();
    await del('source', 'default/b');
    await del('source', 'default/new');
    const head = await night.put('source', 'default/new', 'after');
    await night.direct.source.compact(head);
    await night.followAgain();
    await exact();
  });

  it('a pod was changed there and lives on: refused, named, nothing changed; made anew it goes', async () => {
    await night.cutover();
    for (const value of ['1', '2', '3']) await night.put('target', 'default/a', value);
    await night.put('target', 'default/b', '1');
    await night.rollback();
    const before = await fingerprint(night.targetEtcd);
    const { journal } = night.place;
    const ended = await stage.follow(journal, night.targetEtcd, '--again', '--until-synced');
    const { message, hint } = refusal(ended, reseed('GAP_NOT_EXACT'));
    expect(message).to.contain(`2 keys were written`).and.contain(`${PODS}default/a`);
    expect(hint).to.contain('made anew').and.contain('seed again');
    expect(await fingerprint(night.targetEtcd)).to.deep.equal(before);
    // The journal is as it was, too: of before the night.
    const plain = await stage.follow(journal, night.targetEtcd);
    expect([plain.code, plain.stdout]).to.satisfy(
      ([code, out]: [number, string]) => code === 0 && out.includes('rolled back'),
    );

    await del('source', 'default/a');
    await night.put('source', 'default/a', 'anew');
    // Put more often on the source than on the target will do as well.
    await night.put('source', 'default/b', '2');
    await night.followAgain();
    await exact();
  });

  it('a journal of before does not go on where its history does not follow', async () => {
    await night.cutover();
    await night.put('target', 'default/a', 'there');
    await night.rollback();
    const old = `${night.place.journal}-old`;
    cpSync(night.place.journal, old, { recursive: true });
    await del('source', 'default/a');
    await night.put('source', 'default/a', 'anew');
    // Killed as soon as it is done: the target stands where the gap begins.
    const args = stage.followArgs(night.place.journal, night.targetEtcd.endpoint);
    const killed = await run([...args, '--again'], { LOCKSTEP_FAILPOINT: 'lockstep.again.answer' });
    expect(killed.code).to.equal(null);
    const refused = await stage.follow(old, night.targetEtcd, '--until-synced');
    refusal(refused, { code: 'TARGET_OTHER_GAP', exit: 5 });
    await followUntilSynced({ ...night.place, journal: old }, { repair: true });
    await exact();
  });

  for (const at of ['base.adopt.removed', 'lockstep.again.journal', 'lockstep.again.send:1:5'])
    it(`killed at ${at}: the same command does it`, async () => {
      await unmoved();
      await night.put('source', 'default/a', 'later');
      const args = stage.followArgs(night.place.journal, night.targetEtcd.endpoint);
      const killed = await run([...args, '--again'], { LOCKSTEP_FAILPOINT: at });
      expect(killed.code).to.equal(null);
      await again();
      await exact();
    });

  it('the target is written while the journal is made: refused, and nothing was changed on it', async () => {
    await unmoved();
    await night.put('source', 'default/a', 'later');
    let written: Promise<unknown> | undefined;
    const source = new (class extends EtcdClient {
      override async range(query: RangeQuery): ReturnType<EtcdClient['range']> {
        await (written ??= night.foreign('target', 1));
        return super.range(query);
      }
    })(stage.source.endpoint, 'source');
    const { journal } = night.place;
    const { signal } = new AbortController();
    const silent = { onNote: () => undefined, onBase: () => undefined };
    const refused = await failure(
      followAgain({ source, target: night.direct.target, journal, signal, ...silent }),
    );
    source.close();
    expect(refused.code, refused.message).to.equal('WRITTEN_MEANWHILE');
    expect(await night.phase()).to.equal('rolled back');
    await again();
    await exact();
  });

  it("not before the source's head is above the target's, nor for another source", async () => {
    await unmoved();
    const { source, target } = await night.heads();
    await night.foreign('target', source - target);
    expect((await failure(again())).code).to.equal('TARGET_AHEAD');
    await night.foreign('source', 2);
    const other = await stage.etcd();
    const elsewhere = { ...night.place, source: other.endpoint };
    const refused = await failure(followUntilSynced(elsewhere, { again: true }));
    expect(refused.code).to.equal('TARGET_OTHER_SOURCE');
    await again();
    await exact();
  });
});
