/** Under which roots there are Kubernetes' keys: what is looked for, what is there, and what to give. */
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { refuseEmpty } from '../../src/source/nokeys.js';
import { rootOf, rootsWith, whatIsThere } from '../../src/source/roots.js';
import { PODS, Stage } from '../cli/stage.js';
import { expectCheck, planOf } from '../plan/make.js';

describe('roots of Kubernetes in one etcd', () => {
  let stage: Stage;
  beforeEach(async () => {
    const all = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
    await stage.client.txn({ success: [{ requestDeleteRange: all }] });
  });
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.end());

  const put = async (...keys: string[]) => {
    for (const key of keys) await stage.put(key);
  };
  const refused = async (asked: Promise<unknown>): Promise<LockstepError> => {
    const error: unknown = await asked.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (error instanceof LockstepError) return error;
    throw new Error('it was not refused');
  };
  const plan = (prefixes?: string[]) =>
    planOf({ source: stage.source.endpoint, ...(prefixes ? { prefixes } : {}) });

  it('several with pods: plan names them, and goes on with the one that is given', async () => {
    await put(`${PODS}a/b`, '/cluster-a/registry/pods/a/c', '/kubernetes.io/registry/pods/x/y');
    await put('/registry/events/e', '/other/app/x');
    const { code, message, hint } = await refused(plan());
    expect(code).to.equal('BAD_ARGUMENT');
    expect(message).to.match(
      /several roots .*: \/cluster-a\/registry\/, \/kubernetes\.io\/registry\/, \/registry\/$/,
    );
    expect(hint).to.contain('--prefix /cluster-a/registry/pods/ or --prefix ');
    const given = await plan(['/cluster-a/registry/pods/']);
    expect(given.root).to.equal('/cluster-a/registry/');
    expectCheck(given, 'resources', 'ok', /is \/pods for the apiservers/);
  });

  it('several, and pods under one of them: that one, below the top, too', async () => {
    await put('/app/secrets/s', '/registry/events/e', '/cluster-a/registry/pods/a/c');
    const { root, prefixes } = await plan();
    expect([root, prefixes]).to.deep.equal(['/cluster-a/registry/', ['/cluster-a/registry/pods/']]);
  });

  it('none: what was looked for, and what is there', async () => {
    await put('/calico/ipam/v2/x', 'alone', '/registry2/things/x');
    expectCheck(
      await plan(),
      'resources',
      'stop',
      /No key begins with \/registry\/pods\/\..*Nothing here looks like Kubernetes' keys: they begin with \/calico\/, \/registry2\/, alone\./,
    );
  });

  it('a prefix under the wrong root: the right one', async () => {
    await put('/kubernetes.io/pods/a/b', '/kubernetes.io/namespaces/a');
    const { code, hint } = await refused(refuseEmpty(stage.client, [PODS]));
    expect(code).to.equal('NO_KEYS');
    expect(hint).to.match(/^pods\/ lie under another root here: --prefix \/kubernetes\.io\/pods\//);
    expectCheck(await plan([PODS]), 'resources', 'stop', /--prefix \/kubernetes\.io\/pods\//);
    const slip = await whatIsThere(stage.client, '/kubernetes.io/pod/');
    expect(slip).to.equal("Kubernetes' keys begin with /kubernetes.io/ here");
  });

  it('an empty etcd has no keys at all', async () => {
    const { hint } = await refused(refuseEmpty(stage.client, [PODS]));
    expect(hint).to.match(/^This etcd has no keys at all\. Check --prefix/);
  });

  it('many custom resources before all others, and none below a root', async () => {
    const groups = Array.from({ length: 40 }, (_, i) => `/registry/a${i}.example.io/pods/x`);
    await put(...groups, `${PODS}a/b`);
    expect(await rootsWith(stage.client, 'pods/')).to.deep.equal({
      roots: ['/registry/'],
      having: ['/registry/'],
    });
  });

  it('a root is told by the prefix alone where that is a resource', () => {
    expect(rootOf('/cluster-a/registry/services/specs/')).to.equal('/cluster-a/registry/');
    expect(rootOf('/registry/pod/')).to.equal(undefined);
  });
});
