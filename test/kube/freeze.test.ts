/** The freeze by a policy, which 1.20 does not have: that of real apiservers is in test/k8s. */
import { expect } from 'chai';
import { hasCode } from '../../src/errors.js';
import type { ApiServer } from '../../src/kube/api.js';
import { loadKube } from '../../src/kube/config.js';
import { applyFreeze, freezeWay, frozenSince, removeFreeze } from '../../src/kube/freeze.js';
import { probe, type ProbeReport } from '../../src/kube/probe.js';
import { PODS } from '../../src/kube/resource.js';
import { listRevision } from '../../src/kube/serving.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import {
  BINDINGS,
  FakeApiServer,
  status,
  writeKubeconfig,
  type Asked,
  type Store,
} from './fake.js';

describe('kube: the freeze', () => {
  let certs: Certs;
  let fakes: FakeApiServer[];
  let apis: ApiServer[];
  let store: Store;

  before(async () => {
    certs = await makeCerts();
  });
  after(() => {
    certs.remove();
  });
  beforeEach(async () => {
    store = new Map();
    fakes = [await FakeApiServer.start(certs, store), await FakeApiServer.start(certs, store)];
    apis = await loadKube(
      writeKubeconfig(certs, fakes[0]!.url),
      fakes.map(({ url }) => url),
    );
  });
  afterEach(() => {
    for (const one of [...apis, ...fakes]) one.close();
  });

  function got({ checks }: ProbeReport, what: string): string | undefined {
    return checks.find((check) => check.what === what)?.got;
  }

  it('is a policy only where every apiserver has them', async () => {
    expect(await freezeWay(apis)).to.equal('policy');
    fakes[1]!.override = ({ path }) =>
      path.endsWith('/v1')
        ? [200, { resources: [{ name: 'validatingwebhookconfigurations' }] }]
        : undefined;
    expect(await freezeWay(apis)).to.equal('webhook');
  });

  it('ends when the last apiserver knows of it, and says which it waits for', async () => {
    fakes[1]!.late = 15;
    const waited: string[] = [];
    const onWait = (apiserver: string) => waited.push(apiserver);
    const since = await applyFreeze(apis, [PODS], 'policy', { onWait });
    expect(since?.toISOString()).to.equal('2026-01-02T03:04:05.000Z');
    expect(waited).to.deep.equal([apis[1]!.url]);
    for (const api of apis) expect((await probe(api, [PODS], 'frozen')).ok).to.be.true;

    fakes[0]!.late = 15;
    await removeFreeze(apis, [PODS], { onWait });
    expect(waited).to.deep.equal([apis[1]!.url, apis[0]!.url]);
    expect(store.size).to.equal(0);
    expect(await frozenSince(apis[0]!)).to.equal(undefined);
    await removeFreeze(apis, [PODS]);
  });

  it('applied twice is brought to what is asked for, and keeps its time', async () => {
    await applyFreeze(apis, [PODS], 'policy');
    const [path] = [...store.keys()].filter((key) => key.startsWith(BINDINGS));
    store.get(path!)!['spec'] = { validationActions: ['Audit'] };
    await applyFreeze(apis, [PODS], 'policy');
    expect(store.get(path!)?.['spec']).to.deep.include({ validationActions: ['Deny'] });
    expect(store.size).to.equal(2);
  });

  it('is probed by dry runs alone, and a DELETE carries no body', async () => {
    for (const expected of ['open', 'frozen'] as const) await probe(apis[0]!, [PODS], expected);
    const writes = fakes[0]!.asked.filter(({ method }) => method !== 'GET');
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

  it('is not taken for one where somebody else refuses', async () => {
    fakes[0]!.override = ({ method }) =>
      method === 'GET' ? undefined : [403, status(403, 'Forbidden', 'User "u" cannot')];
    const report = await probe(apis[0]!, [PODS], 'frozen');
    expect(report.ok).to.be.false;
    expect(got(report, 'create pods')).to.equal('403 User "u" cannot');
    expect(got(report, 'nodes/status')).to.equal('403 User "u" cannot');
    const rights = ({ method, path }: Asked) => method !== 'GET' && path.includes('/api/v1/');
    fakes[0]!.override = (asked) =>
      rights(asked) ? [403, status(403, 'Forbidden', 'User "u" cannot')] : undefined;
    const error = await applyFreeze(apis, [PODS], 'policy').catch((e: unknown) => e);
    expect(hasCode(error, 'KUBE') && error.message).to.contain('create pods: 403 User "u" cannot');
    await removeFreeze(apis, [PODS]);
  });

  it('is not asked of an apiserver that would take a dry run for the real thing', async () => {
    fakes[0]!.override = ({ path }) =>
      path.startsWith('/apis/admission') ? [404, status(404, 'NotFound', 'no')] : undefined;
    const error = await removeFreeze(apis, [PODS]).catch((e: unknown) => e);
    expect(hasCode(error, 'KUBE') && error.hint).to.contain('1.16');
    const { asked } = fakes[0]!;
    expect(
      asked.filter(({ method, path }) => method !== 'GET' && !path.startsWith('/apis/adm')),
    ).to.deep.equal([]);
  });

  it('is probed once more where the pod goes meanwhile; what the server lacks is absent', async () => {
    let gone = 2;
    fakes[0]!.override = ({ method }) =>
      method === 'DELETE' && gone-- > 0
        ? [404, status(404, 'NotFound', 'pods "a" not found')]
        : undefined;
    const report = await probe(apis[0]!, [PODS], 'open');
    expect(report.ok, JSON.stringify(report.checks)).to.be.true;
    expect(got(report, 'delete pods')).to.equal('accepted');
    expect(got(report, 'pods/ephemeralcontainers')).to.equal('absent');
    expect(got(report, 'pods/resize')).to.equal('accepted');
    expect(got(report, 'update leases')).to.equal('not asked');
  });

  it('reads the revision that a list carries', async () => {
    expect(await listRevision(apis[0]!, PODS)).to.equal(4711);
    const none = await listRevision(apis[0]!, { group: '', resource: 'things' }).catch(
      (error: unknown) => error,
    );
    expect(hasCode(none, 'KUBE')).to.be.true;
  });
});
