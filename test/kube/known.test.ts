/** Every apiserver is waited for, at once, and none longer than it takes. */
import { expect } from 'chai';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeAll, thaw, thawOwn, type FreezingOptions } from '../../src/kube/freezing.js';
import { untilRefused } from '../../src/kube/known.js';
import { freezeOwner } from '../../src/kube/owner.js';
import { PODS } from '../../src/kube/resource.js';
import { WriteProbe } from '../../src/kube/writeprobe.js';
import { status, type Asked } from './fake.js';
import { BINDINGS, FakeCluster, POD } from './fakecluster.js';
import { failure, Gate, Scene, withCerts } from './scene.js';

const OWNER = freezeOwner('cutover');
const leaveOut = (url: string) => `leave it out: --without ${url}`;
/** Of a pod, on 1.36. */
const PATHS = 11;
const isWrite = ({ method, query }: Asked) => method !== 'GET' && query.has('dryRun');

const isGlance = (asked: Asked) =>
  isWrite(asked) && asked.method === 'DELETE' && asked.path.endsWith('/a');

describe('kube: every apiserver knows of a freeze', () => {
  const { certs } = withCerts();
  let s: Scene;
  let notes: string[];
  let options: FreezingOptions;

  async function start(servers: number, cluster?: FakeCluster): Promise<void> {
    s = await Scene.start(certs(), servers, cluster);
    notes = [];
    const onNote = (note: string) => notes.push(note);
    options = { apiservers: s.apis, resources: [PODS], onNote };
  }
  afterEach(() => {
    s.close();
  });

  const probes = () => s.apis.map((api) => new WriteProbe(api, [PODS]));

  it('when the last one does, and it is said which is waited for', async () => {
    await start(2);
    s.fakes[1]!.late = 5;
    const { freeze, at } = await freezeAll(options, OWNER, undefined);
    expect(notes).to.have.length(1);
    expect(notes[0])
      .to.contain(s.apis[1]!.url)
      .and.to.match(/is still accepted$/);
    expect(Date.now() - at.getTime()).to.be.within(0, 60_000);
    s.fakes[0]!.late = 5;
    await thaw(freeze, options);
    expect(notes[1])
      .to.contain(s.apis[0]!.url)
      .and.to.match(/is still refused$/);
    expect(s.cluster.objects.size).to.equal(0);
    await thaw(undefined, options);
  });

  it('though the pod that is asked about is being deleted by then, to which any apiserver says yes', async () => {
    await start(1);
    const asked = probes();
    for (const one of asked) await one.prepare();
    const metadata = {
      ...POD.metadata,
      resourceVersion: '18',
      deletionTimestamp: '2026-01-02T03:04:05Z',
      deletionGracePeriodSeconds: 30,
    };
    s.cluster.pods = [{ ...POD, metadata }];
    s.fakes[0]!.override = ({ method, path, query }) => {
      if (method !== 'DELETE' || !query.has('dryRun')) return undefined;
      const pod = { kind: 'Pod', metadata };
      return [200, path.endsWith('/a') ? pod : { kind: 'PodList', items: [pod] }];
    };
    await Freeze.apply(s.apis, [PODS], 'policy', OWNER);
    const seen = await untilRefused(asked, { leaveOut, within: 5_000 });
    expect([...seen.keys()]).to.deep.equal([s.apis[0]!.url]);
  });

  it('says for each when the first write was seen refused', async () => {
    await start(3);
    await Freeze.apply(s.apis, [PODS], 'policy', OWNER);
    s.fakes[2]!.late = 5;
    const seen = await untilRefused(probes(), { leaveOut });
    expect([...seen.keys()].sort()).to.deep.equal(s.apis.map(({ url }) => url).sort());
    const [, , last] = s.apis;
    for (const [url, at] of seen) expect(at <= seen.get(last!.url)!, url).to.equal(true);
  });

  it('costs one round of answers: all paths of all apiservers are asked at once', async () => {
    await start(4);
    const all = new Gate();
    const held = new Set<string>();
    for (const fake of s.fakes)
      fake.hold = (asked) => {
        const key = `${fake.url} ${asked.method} ${asked.path}`;
        // The first glance has its answer; all else waits until the last path is asked, too.
        const glances = fake.asked.filter((one) => isWrite(one) && one.method === 'DELETE');
        if (!isWrite(asked) || (isGlance(asked) && glances.length === 1)) return undefined;
        if (held.add(key).size === 4 * PATHS) all.open();
        return all.opened;
      };
    await freezeAll(options, OWNER, undefined);
    expect(held).to.have.length(4 * PATHS);
  });

  it('is not held up by an answer that does not come', async () => {
    await start(1);
    const never = new Gate();
    const [fake] = s.fakes;
    fake!.late = 3;
    fake!.hold = (asked) =>
      isGlance(asked) && fake!.asked.filter(isWrite).length === 1 ? never.opened : undefined;
    const started = performance.now();
    await freezeAll(options, OWNER, undefined);
    expect(performance.now() - started).to.be.below(9000);
  });

  it('in it nothing is read and no connection opened', async () => {
    await start(2);
    let before: number[][] = [];
    const counts = () =>
      s.fakes.map((fake) => [
        fake.connections,
        fake.asked.filter(({ method }) => method === 'GET').length,
      ]);
    for (const fake of s.fakes) {
      fake.late = 4;
      fake.override = ({ method, path }) => {
        if (method === 'POST' && path.startsWith(BINDINGS)) before = counts();
        return undefined;
      };
    }
    await freezeAll(options, OWNER, undefined);
    expect(counts()).to.deep.equal(before);
  });

  it('is not waited for any more when it is stopped, also while requests hang', async () => {
    await start(2);
    const stop = new AbortController();
    const reason = new Error('stopped');
    const never = new Gate();
    s.fakes[0]!.hold = (asked) => {
      if (!isWrite(asked)) return undefined;
      setImmediate(() => {
        stop.abort(reason);
      });
      return never.opened;
    };
    const started = performance.now();
    const error: unknown = await freezeAll(
      { ...options, signal: stop.signal },
      OWNER,
      undefined,
    ).catch((e: unknown) => e);
    expect(error).to.equal(reason);
    expect(performance.now() - started).to.be.below(9000);
    expect(s.cluster.objects.size).to.equal(2);
    s.fakes[0]!.hold = undefined;
    await thawOwn(OWNER, options);
    expect(s.cluster.objects.size).to.equal(0);
  });

  it('or it is named, and how to leave it out: it still accepts', async () => {
    await start(2);
    await Freeze.apply(s.apis, [PODS], 'policy', OWNER);
    s.fakes[1]!.late = Infinity;
    const error = await failure(
      untilRefused(probes(), { leaveOut, within: 500 }),
      'KUBE_UNAVAILABLE',
    );
    expect(error.message).to.contain(s.apis[1]!.url).and.to.contain('is still accepted');
    expect(error.hint).to.contain(`--without ${s.apis[1]!.url}`);
    expect(error.hint).to.contain('freeze apply --way webhook');
  });

  it('or it is named, and how to leave it out: it does not answer', async () => {
    await start(2);
    s.fakes[0]!.close();
    const error = await failure(freezeAll(options, OWNER, undefined), 'KUBE_UNAVAILABLE');
    expect(error.message).to.contain(`${s.apis[0]!.url} does not answer`);
    expect(error.hint).to.contain('Nothing was frozen').and.to.contain('--without');
    expect(s.written).to.deep.equal([]);
  });

  it('dies meanwhile: the others let writes in again, and it is named', async () => {
    await start(2);
    const { freeze } = await freezeAll(options, OWNER, undefined);
    s.fakes[0]!.close();
    s.fakes[1]!.late = 5;
    const [dead, lives] = s.apis;
    await freeze.remove(s.apis);
    const error = await failure(thaw(freeze, options), 'KUBE_UNAVAILABLE');
    expect(error.message).to.contain(dead!.url);
    expect(notes.some((note) => note.includes(`${lives!.url}: delete pods is still`))).to.equal(
      true,
    );
    expect(s.fakes[1]!.late).to.be.below(0);
  }).timeout(60_000);

  it('is no such proof where nobody could be asked, or another says no first', async () => {
    await start(1);
    const rights = (asked: Asked) => isWrite(asked) && asked.path.includes('/api/v1/');
    for (const [message, what] of [
      ['User "u" cannot write', 'create pods: 403 User "u" cannot write'],
      ['pods "x" is forbidden: exceeded quota: q', 'create pods: not asked (403 pods "x"'],
    ] as const) {
      s.fakes[0]!.override = (asked) =>
        rights(asked) ? [403, status(403, 'Forbidden', message)] : undefined;
      const over = await Freeze.find(s.apis);
      const error = await failure(freezeAll(options, OWNER, over), 'KUBE');
      expect(error.message).to.contain('cannot tell').and.to.contain(what);
    }
    await thawOwn(OWNER, options);
    expect(s.cluster.objects.size).to.equal(0);
  });

  it('of another is not thawed with ours', async () => {
    await start(1);
    const other = freezeOwner('rollback');
    await freezeAll(options, other, undefined);
    const error = await failure(thawOwn(OWNER, options), 'FREEZE_LOST');
    expect(error.message).to.contain(other.text);
    expect(s.cluster.objects.size).to.equal(2);
  });

  it('is a webhook where it was one, and where there are no policies', async () => {
    await start(1, new FakeCluster('1.20.2'));
    const { freeze } = await freezeAll(options, OWNER, undefined);
    expect(freeze.way).to.equal('webhook');
    s.close();
    await start(1);
    const made = await Freeze.apply(s.apis, [PODS], 'webhook', OWNER);
    const again = await freezeAll(options, freezeOwner('cutover'), made);
    expect(again.freeze.way).to.equal('webhook');
    expect(again.at).to.deep.equal(made.since);
    expect(s.cluster.objects.size).to.equal(1);
  });
});
