/**
 * What is concluded from answers, with those of real apiservers: for every state that a pod may be in,
 * and any few pods together, open and frozen.
 */
import { expect } from 'chai';
import fc from 'fast-check';
import type { Answer } from '../../src/kube/answer.js';
import type { FreezeCheck } from '../../src/kube/ask.js';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeOwner } from '../../src/kube/owner.js';
import { probe, type ProbeReport } from '../../src/kube/probe.js';
import { LEASES, PODS } from '../../src/kube/resource.js';
import { listRevision } from '../../src/kube/serving.js';
import { hasMoved, verdictOf } from '../../src/kube/verdict.js';
import { NAMESPACES_IN_STATES, PODS_IN_STATES, type State, type Version } from './answers.js';
import { status } from './fake.js';
import { FakeCluster, POD } from './fakecluster.js';
import { failure, Scene, withCerts } from './scene.js';

function got({ checks }: ProbeReport, what: string): string | undefined {
  return checks.find((check) => check.what === what)?.got;
}
function why({ checks }: ProbeReport, what: string): string | null | undefined {
  return checks.find((check) => check.what === what)?.why;
}

describe('kube: probe, answered as real apiservers do', () => {
  const { certs } = withCerts();
  const STATES = [...PODS_IN_STATES.keys()];
  const scenes = new Map<string, Scene>();

  async function scene(version: Version, state: State): Promise<Scene> {
    const key = `${version} ${state}`;
    const known = scenes.get(key);
    if (known) return known;
    const s = await Scene.start(certs(), 1, new FakeCluster(version));
    s.cluster.namespaces = NAMESPACES_IN_STATES;
    const way = version === '1.20.2' ? 'webhook' : 'policy';
    if (state === 'frozen') await Freeze.apply(s.apis, [PODS], way, freezeOwner('cutover'));
    scenes.set(key, s);
    return s;
  }
  after(() => {
    for (const s of scenes.values()) s.close();
  });

  async function reportOn(version: Version, state: State, pods: string[]): Promise<ProbeReport> {
    const s = await scene(version, state);
    s.cluster.pods = pods.map((name) => PODS_IN_STATES.get(name)!);
    return probe(s.apis[0]!, [PODS], state);
  }
  const WRITES = /^(create|update|patch|delete|deletecollection) pods|^pods\/|^bindings/;
  const writes = ({ checks }: ProbeReport): FreezeCheck[] =>
    checks.filter(({ what }) => WRITES.test(what));

  for (const version of ['1.20.2', '1.36.3'] as const)
    for (const state of ['open', 'frozen'] as const) {
      const word = state === 'open' ? 'accepted' : 'refused';

      it(`${version}, ${state}: no pod in any state misleads it, and a good one is enough`, async () => {
        const some = fc.shuffledSubarray(STATES);
        await fc.assert(
          fc.asyncProperty(some, async (pods) => {
            const report = await reportOn(version, state, pods);
            expect(report.ok, JSON.stringify(report.checks)).to.equal(true);
            const asked = writes(report);
            expect(asked).to.have.length(11);
            for (const { what, got: answer, why: reason } of asked) {
              expect([word, 'absent', 'not asked'], what).to.include(answer);
              expect(reason === null, what).to.equal(answer !== 'not asked');
            }
            expect(got(report, 'create pods')).to.equal(word);
            const good = pods.some((pod) => /pending|pdb|running|done/.test(pod));
            if (good) expect(asked.map((one) => one.got)).not.to.include('not asked');
          }),
          { numRuns: 40, examples: [[[]], [STATES], ...STATES.map((one): [string[]] => [[one]])] },
        );
      });
    }

  it('says which path cannot be asked, why, and on what the others are', async () => {
    const report = await reportOn('1.36.3', 'open', ['plain/old-kubelet']);
    expect(got(report, 'pods/resize')).to.equal('not asked');
    expect(why(report, 'pods/resize')).to.equal('422 Invalid: spec (FieldValueForbidden)');
    const both = await reportOn('1.36.3', 'frozen', ['plain/old-kubelet', 'quota/only']);
    const on = (what: string) => both.checks.find((check) => check.what === what)?.on;
    expect(got(both, 'pods/resize')).to.equal('refused');
    expect([on('pods/resize'), on('delete pods')]).to.include('quota/only');
    const going = await reportOn('1.36.3', 'frozen', ['going/held']);
    expect(why(going, 'pods/eviction')).to.contain('it is being terminated');
    expect(got(going, 'delete pods')).to.equal('refused');
  });

  it('asks pods of other namespaces than the first of the list', async () => {
    const s = await scene('1.36.3', 'open');
    const crowd = Array.from({ length: 60 }, (_, i) => ({
      ...POD,
      metadata: { name: `old-kubelet`, namespace: 'plain', resourceVersion: String(i) },
    }));
    s.cluster.pods = [...crowd, PODS_IN_STATES.get('quota/only')!];
    const report = await probe(s.apis[0]!, [PODS], 'open');
    expect(got(report, 'pods/resize')).to.equal('accepted');
    s.fakes[0]!.override = ({ path }) =>
      path === '/api/v1/namespaces' ? [403, status(403, 'Forbidden', 'no')] : undefined;
    expect((await probe(s.apis[0]!, [PODS], 'open')).ok).to.equal(true);
    s.fakes[0]!.override = undefined;
  });
});

describe('kube: what an answer says', () => {
  const answer = (code: number, reason: string, message: string): Answer => ({
    status: code,
    body: status(code, reason, message),
    asked: 'POST x',
  });
  const verdict = (...of: Parameters<typeof answer>) => verdictOf(answer(...of));

  it('is ours in the words of both ways, and not by an object of that name', () => {
    const policy = `pods "a" is forbidden: ValidatingAdmissionPolicy 'etcd-lockstep-freeze' with binding 'etcd-lockstep-freeze' denied request: no`;
    expect(verdict(403, 'Forbidden', policy)).to.equal('refused');
    expect(verdict(422, 'Invalid', policy)).to.equal('refused');
    const webhook = 'failed calling webhook "freeze.etcd-lockstep.io": connection refused';
    expect(verdict(500, 'InternalError', webhook)).to.equal('refused');
    for (const name of ['etcd-lockstep-freeze', 'freeze.etcd-lockstep.io'])
      expect(verdict(404, 'NotFound', `pods "${name}" not found`)).to.equal('nothing');
  });

  it('from before admission is about this object alone', () => {
    for (const message of [
      'pods "x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true',
      'pods "x" is forbidden: exceeded quota: q, requested: pods=1',
      'pods "x" is forbidden: unable to create new content in namespace y because it is being terminated',
      'pods "x" is forbidden: error looking up service account y/default: serviceaccount not found',
      'pods "x" is forbidden: a mirror pod may not reference service accounts',
    ])
      expect(verdict(403, 'Forbidden', message), message).to.equal('nothing');
    expect(verdict(422, 'Invalid', 'Pod "x" is invalid: spec')).to.equal('nothing');
  });

  it('about whoever asks, or by a webhook of others, is no proof and no excuse', () => {
    for (const [code, reason, message] of [
      [403, 'Forbidden', 'pods is forbidden: User "u" cannot create resource "pods"'],
      [401, 'Unauthorized', 'Unauthorized'],
      [403, 'Forbidden', 'admission webhook "a.b" denied the request: no'],
      [400, 'BadRequest', 'admission webhook "a.b" does not support dry run'],
      [500, 'InternalError', 'failed calling webhook "a.b": connection refused'],
      [403, 'Forbidden', `x: ValidatingAdmissionPolicy 'other' denied request`],
    ] as const)
      expect(verdict(code, reason, message), message).to.equal('unproven');
  });

  it('of an apiserver in trouble is none', () => {
    for (const code of [429, 502, 503, 504])
      expect(() => verdict(code, '', 'later')).to.throw(`${code} later`);
  });

  it('to a deletecollection that met nothing is none', () => {
    const body = { kind: 'PodList', items: [] };
    expect(verdictOf({ status: 200, body, asked: '' })).to.equal('nothing');
    const one = { kind: 'PodList', items: [POD] };
    expect(verdictOf({ status: 200, body: one, asked: '' })).to.equal('accepted');
  });

  it('to a deletion is none where the pod is not as it was read: it may be being deleted already', () => {
    const pod = { kind: 'Pod', ...POD };
    for (const body of [
      pod,
      { kind: 'PodList', metadata: { resourceVersion: '40' }, items: [pod] },
    ]) {
      const deletion = { status: 200, body, asked: '' };
      expect(verdictOf(deletion, { readAt: '17' })).to.equal('accepted');
      expect(hasMoved(deletion, { readAt: '17' })).to.equal(false);
      expect(verdictOf(deletion, { readAt: '16' })).to.equal('nothing');
      expect(hasMoved(deletion, { readAt: '16' })).to.equal(true);
    }
    const done = { status: 200, body: { kind: 'Status', status: 'Success' }, asked: '' };
    expect(verdictOf(done, { readAt: '16' })).to.equal('accepted');
  });
});

describe('kube: probe', () => {
  const { certs } = withCerts();
  let s: Scene;
  beforeEach(async () => {
    s = await Scene.start(certs(), 1);
  });
  afterEach(() => {
    s.close();
  });

  it('asks by dry runs alone, and a DELETE of them carries no body', async () => {
    for (const expected of ['open', 'frozen'] as const) await probe(s.apis[0]!, [PODS], expected);
    const writes = s.fakes[0]!.asked.filter(({ method }) => method !== 'GET');
    expect(writes.length).to.be.above(20);
    for (const { method, path, query, body } of writes) {
      expect(query.getAll('dryRun'), path).to.deep.equal(['All']);
      if (method === 'DELETE') expect(body).to.equal(undefined);
      if (method === 'DELETE' && !path.endsWith('/a'))
        expect(query.get('fieldSelector')).to.equal('metadata.name=a');
    }
    const evictions = writes.filter(({ path }) => path.endsWith('/eviction'));
    expect(evictions[0]?.body).to.deep.include({ apiVersion: 'policy/v1', kind: 'Eviction' });
  });

  it('does not take it for our freeze where somebody else refuses', async () => {
    s.fakes[0]!.override = ({ method }) =>
      method === 'GET' ? undefined : [403, status(403, 'Forbidden', 'User "u" cannot write')];
    const report = await probe(s.apis[0]!, [PODS], 'frozen');
    expect(report.ok).to.equal(false);
    expect(got(report, 'create pods')).to.equal('403 User "u" cannot write');
    expect(got(report, 'nodes/status')).to.equal('403 User "u" cannot write');
  });

  it('is not asked of an apiserver that would take a dry run for the real thing', async () => {
    s.fakes[0]!.override = ({ path }) =>
      path.startsWith('/apis/admission') ? [404, status(404, 'NotFound', 'no')] : undefined;
    expect((await failure(probe(s.apis[0]!, [PODS], 'open'), 'KUBE')).hint).to.contain('1.16');
    const writes = s.fakes[0]!.asked.filter(({ method }) => method !== 'GET');
    expect(writes).to.deep.equal([]);
  });

  it('asks once more where the pod goes meanwhile; what there is none of is not asked', async () => {
    let gone = 2;
    s.fakes[0]!.override = ({ method }) =>
      method === 'DELETE' && gone-- > 0
        ? [404, status(404, 'NotFound', 'pods "a" not found')]
        : undefined;
    const report = await probe(s.apis[0]!, [PODS], 'open');
    expect(report.ok, JSON.stringify(report.checks)).to.equal(true);
    expect(got(report, 'delete pods')).to.equal('accepted');
    expect(got(report, 'update leases')).to.equal('not asked');
  });

  it('discovers once what an apiserver serves, and reads the revision that a list carries', async () => {
    for (let i = 0; i < 3; i++) expect(await listRevision(s.apis[0]!, PODS)).to.equal(4711);
    for (let i = 0; i < 2; i++) await probe(s.apis[0]!, [PODS, LEASES], 'open');
    const reads = s.fakes[0]!.asked.filter(({ path }) => path === '/api/v1');
    // Pods by the first; nodes by the first probe.
    expect(reads).to.have.length(2);
    await failure(listRevision(s.apis[0]!, { group: '', resource: 'things' }), 'KUBE');
  });
});
