/** Whose freeze it is: the objects, and what guards them. That of real apiservers is in test/k8s. */
import { expect } from 'chai';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeObjects, KINDS } from '../../src/kube/manifests.js';
import { freezeOwner } from '../../src/kube/owner.js';
import { LEASES, NODES, PODS } from '../../src/kube/resource.js';
import { freezeWay } from '../../src/kube/way.js';
import { BINDINGS, POLICIES, WEBHOOKS, type FakeObject } from './fakecluster.js';
import { failure, Gate, Scene, withCerts } from './scene.js';

const A = freezeOwner('cutover');
const B = freezeOwner('rollback');

describe('kube: the freeze', () => {
  const { certs } = withCerts();
  let s: Scene;

  beforeEach(async () => {
    s = await Scene.start(certs());
  });
  afterEach(() => {
    s.close();
  });

  const apply = async (owner = A, over?: Freeze) =>
    Freeze.apply(s.apis, [PODS], 'policy', owner, over);

  /** As kubectl does with what `freeze print` prints. */
  async function byKubectl(way: 'policy' | 'webhook' = 'policy'): Promise<void> {
    for (const [i, object] of freezeObjects([PODS], way).entries())
      await s.apis[0]!.send('POST', `${BASE}/${KINDS[way][i]}`, object);
  }
  const BASE = POLICIES.split('/').slice(0, -1).join('/');

  /** A controller writes the status of a policy, some time after it was made. */
  function statusWritten(): void {
    s.cluster.edit(POLICIES, (object) => ({ ...object, status: { observedGeneration: 1 } }));
  }
  const audited = (object: FakeObject) => ({ ...object, spec: { validationActions: ['Audit'] } });

  it('is a policy only where every apiserver has them', async () => {
    expect(await freezeWay(s.apis)).to.equal('policy');
    s.fakes[1]!.override = ({ path }) =>
      path.endsWith('/v1')
        ? [200, { resources: [{ name: 'validatingwebhookconfigurations' }] }]
        : undefined;
    expect(await freezeWay(s.apis)).to.equal('webhook');
  });

  it('is found as it was written: since when, whose, of what', async () => {
    expect(await Freeze.find(s.apis)).to.equal(undefined);
    for (const way of ['policy', 'webhook'] as const) {
      const made = await Freeze.apply(s.apis, [PODS, LEASES], way, A);
      for (const freeze of [made, await Freeze.find(s.apis)]) {
        expect(freeze?.since.toISOString()).to.equal('2026-01-02T03:04:05.000Z');
        expect(freeze?.owner).to.deep.equal(A);
        expect(freeze).to.include({ way, held: false, byHand: false });
        expect(freeze?.resources).to.deep.equal([PODS, LEASES]);
      }
      await made.prove(s.apis);
      await made.hold(s.apis);
      expect((await Freeze.find(s.apis))?.held).to.equal(true);
      await made.prove(s.apis);
      await made.remove(s.apis);
      expect(s.cluster.objects.size).to.equal(0);
      await made.remove(s.apis);
    }
  });

  it('takes effect with its last object, and ends with the first that goes', async () => {
    await (await apply()).remove(s.apis);
    const kinds = s.written.map((one) => one.slice(2));
    const [policies, bindings] = KINDS.policy;
    expect(kinds).to.deep.equal([
      ...[`POST ${policies}`, `POST ${bindings}`],
      ...[`DELETE ${bindings}`, `DELETE ${policies}`],
    ]);
  });

  it('is had by one of two who want it at once, and the other is told who', async () => {
    const tries = await Promise.allSettled([apply(A), apply(B)]);
    const won = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(won).to.have.length(1);
    const [loser, winner] = won[0]?.owner?.run === A.run ? [B, A] : [A, B];
    const error = await failure(apply(loser), 'FREEZE_TAKEN');
    expect(error.message).to.contain(winner.text).and.to.contain('2026-01-02T03:04:05.000Z');
    expect(error.hint).to.contain('--force');
    await won[0]!.prove(s.apis);
    expect((await failure(Freeze.findOwn(s.apis, loser), 'FREEZE_LOST')).message).to.contain(
      winner.text,
    );
    expect((await Freeze.findOwn(s.apis, winner))?.owner).to.deep.equal(winner);
  });

  it('is taken over as it was found, brought to what is asked for, and stays held', async () => {
    const first = await apply(A);
    await first.hold(s.apis);
    s.cluster.edit(BINDINGS, audited);
    const found = await Freeze.find(s.apis);
    statusWritten();
    const second = await Freeze.apply(s.apis, [NODES], 'policy', B, found);
    expect(second).to.deep.include({ owner: B, held: true, resources: [NODES] });
    expect(second.since).to.deep.equal(first.since);
    expect(s.cluster.policy(BINDINGS)?.['spec']).to.deep.include({ validationActions: ['Deny'] });
    await second.prove(s.apis);
    for (const late of ['prove', 'hold', 'remove'] as const)
      expect((await failure(first[late](s.apis), 'FREEZE_LOST')).message).to.contain(B.text);
    expect(s.cluster.objects.size).to.equal(2);
  });

  it('is not taken over where it has changed since it was found', async () => {
    await apply(A);
    const found = await Freeze.find(s.apis);
    const third = freezeOwner('freeze apply');
    await apply(third, found);
    expect((await failure(apply(B, found), 'FREEZE_TAKEN')).message).to.contain(third.text);
    await (await Freeze.find(s.apis))?.remove(s.apis);
    expect((await failure(apply(B, found), 'FREEZE_TAKEN')).message).to.contain('is gone');
    await apply(A);
    await failure(apply(B, found), 'FREEZE_TAKEN');
    s.cluster.edit(BINDINGS, audited);
    expect(s.cluster.policy(BINDINGS)?.metadata.annotations).to.include({
      'etcd-lockstep.io/run': A.run,
    });
  });

  it('made by kubectl has no owner, is taken over, and half of one is made whole', async () => {
    await byKubectl();
    const found = await Freeze.find(s.apis);
    expect(found).to.include({ owner: undefined, byHand: true });
    await failure(apply(A), 'FREEZE_TAKEN');
    await apply(A, found);
    s.cluster.objects.clear();
    await byKubectl();
    s.cluster.objects.delete(
      [...s.cluster.objects.keys()].find((one) => one.startsWith(BINDINGS))!,
    );
    await apply(A, await Freeze.find(s.apis));
    expect(s.cluster.policy(BINDINGS)?.metadata.annotations).to.include({
      'etcd-lockstep.io/owner': A.text,
    });
  });

  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
    it(`is no matter of doubt where the answer to a ${method} is lost`, async () => {
      let lost = 0;
      for (const fake of s.fakes)
        fake.lose = (asked) =>
          asked.method === method && !asked.query.has('dryRun') && lost++ === 0;
      const first = await apply(A);
      const freeze = await apply(B, first);
      await freeze.hold(s.apis);
      await freeze.prove(s.apis);
      await freeze.remove(s.apis);
      expect(s.cluster.objects.size).to.equal(0);
      expect(lost).to.be.above(1);
    });

  it('stands as long as it is the same, whoever writes its status', async () => {
    const freeze = await apply(A);
    statusWritten();
    await freeze.prove(s.apis);
    await freeze.hold(s.apis);
    s.cluster.edit(POLICIES, (object) => ({ ...object, status: {} }));
    await freeze.remove(s.apis);
    expect(s.cluster.objects.size).to.equal(0);
  });

  it('is lost where it was changed and changed back, or made anew with all its annotations', async () => {
    const edited = await apply(A);
    s.cluster.edit(BINDINGS, audited);
    s.cluster.edit(BINDINGS, (object) => ({
      ...object,
      spec: { policyName: 'etcd-lockstep-freeze', validationActions: ['Deny'] },
    }));
    expect((await failure(edited.prove(s.apis), 'FREEZE_LOST')).message).to.contain('was changed');
    await failure(edited.hold(s.apis), 'FREEZE_LOST');
    await edited.remove(s.apis);
    const gone = await apply(A);
    s.cluster.objects.clear();
    expect((await failure(gone.prove(s.apis), 'FREEZE_LOST')).message).to.contain('gone');
    await apply(A);
    await failure(gone.prove(s.apis), 'FREEZE_LOST');
    await failure(gone.remove(s.apis), 'FREEZE_LOST');
    expect(s.cluster.objects.size).to.equal(2);
  });

  for (const [method, what] of [
    ['POST', 'made'],
    ['PUT', 'taken over'],
  ] as const)
    it(`is not had where another has ${what} it between our read and our ${method}`, async () => {
      const third = freezeOwner('rollback');
      const [binding] = freezeObjects([PODS], 'policy', third).slice(1);
      const over = method === 'PUT' ? await apply(A) : undefined;
      for (const fake of s.fakes)
        fake.override = (asked) => {
          if (asked.method !== method || !asked.path.startsWith(BINDINGS)) return undefined;
          const { cluster } = s;
          if (over) cluster.edit(BINDINGS, (one) => ({ ...one, ...withRun(one, third.run) }));
          else
            cluster.write({ ...asked, path: BINDINGS, method: 'POST', body: binding }, () => true);
          return undefined;
        };
      await failure(apply(B, over), 'FREEZE_TAKEN');
      expect(s.cluster.policy(BINDINGS)?.metadata.annotations).to.include({
        'etcd-lockstep.io/run': third.run,
      });
    });
  const withRun = ({ metadata }: FakeObject, run: string) => ({
    metadata: {
      ...metadata,
      annotations: { ...metadata.annotations, 'etcd-lockstep.io/run': run },
    },
  });

  it('of two who freeze in different ways neither is proven', async () => {
    const found = await apply(A);
    const stands = [...s.cluster.objects];
    s.cluster.objects.clear();
    const other = await Freeze.apply(s.apis, [PODS], 'webhook', B);
    await failure(apply(A), 'FREEZE_TAKEN');
    for (const [path, object] of stands) s.cluster.objects.set(path, object);
    expect((await failure(found.prove(s.apis), 'FREEZE_LOST')).message).to.contain(B.text);
    expect((await failure(other.prove(s.apis), 'FREEZE_LOST')).message).to.contain(A.text);
    await other.remove(s.apis);
    await found.prove(s.apis);
  });

  it('is written by any apiserver that lives: the first is dead', async () => {
    s.fakes[0]!.close();
    const freeze = await apply(A);
    await freeze.hold(s.apis);
    await freeze.prove(s.apis);
    await freeze.remove(s.apis);
    expect(s.cluster.objects.size).to.equal(0);
  });

  it('is written by any apiserver that lives: the first hangs, and wakes up too late', async () => {
    s.fakes[0]!.pause();
    const started = performance.now();
    const freeze = await apply(A);
    await freeze.hold(s.apis);
    await freeze.remove(s.apis);
    expect(performance.now() - started).to.be.below(9000);
    s.fakes[0]!.goOn();
    await s.apis[0]!.get('/version');
    expect(s.cluster.objects.size).to.equal(0);
    expect(s.written.filter((one) => one.startsWith('0'))).to.deep.equal([]);
  });

  it('names every apiserver where none lives', async () => {
    for (const fake of s.fakes) fake.close();
    const error = await failure(Freeze.find(s.apis), 'KUBE_UNAVAILABLE');
    for (const { url } of s.apis) expect(error.message).to.contain(url);
  });

  it('goes on with another where the one that answered cannot write', async () => {
    s.fakes[0]!.override = ({ method }) =>
      method === 'GET' ? undefined : [503, 'etcdserver: no leader'];
    const refused = new Gate();
    s.fakes[0]!.lose = ({ method }) => method !== 'GET' && refused.open();
    s.fakes[1]!.hold = () => refused.opened;
    await apply(A);
    expect(s.cluster.policy(WEBHOOKS)).to.equal(undefined);
    expect(s.written).to.include(`1 POST ${KINDS.policy[1]}`);
  });
});
