/** The freeze and its probe against real apiservers: what they say is compared with what writes do. */
import { expect } from 'chai';
import type { ApiServer } from '../../src/kube/api.js';
import { loadKube } from '../../src/kube/config.js';
import { apiserverAddresses } from '../../src/kube/endpoints.js';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeAll, thaw, thawOwn, type FreezingOptions } from '../../src/kube/freezing.js';
import { untilRefused } from '../../src/kube/known.js';
import { freezeOwner, type FreezeOwner } from '../../src/kube/owner.js';
import { probe, type Expected, type ProbeReport } from '../../src/kube/probe.js';
import { PODS, type Resource } from '../../src/kube/resource.js';
import { listRevision } from '../../src/kube/serving.js';
import { freezeWay } from '../../src/kube/way.js';
import { WriteProbe } from '../../src/kube/writeprobe.js';
import * as contract from '../cli/contract.js';
import { run, whole } from '../cli/run.js';
import { failure } from '../kube/scene.js';
import { describeKube } from './binaries.js';
import { KubeClient } from './client.js';
import { Cluster } from './cluster.js';
import { Nodes } from './nodes.js';
import { until } from './until.js';
import { othersWebhook, rounds } from './webhook.js';

const PODS_PATH = '/api/v1/namespaces/default/pods';
const CONFIGMAPS: Resource = { group: '', resource: 'configmaps' };
const LEASES: Resource = { group: 'coordination.k8s.io', resource: 'leases' };

const ALWAYS = ['list pods', 'get pods', 'create leases', 'update leases'];
const WRITES = [
  ...['create pods', 'update pods', 'patch pods', 'delete pods', 'deletecollection pods'],
  ...['pods/status', 'pods/binding', 'bindings', 'pods/eviction', 'pods/ephemeralcontainers'],
];

function pod(name: string): object {
  return {
    metadata: { name, labels: { app: name } },
    spec: { automountServiceAccountToken: false, containers: [{ name: 'app', image: 'app' }] },
  };
}

describeKube('freeze: real apiservers', () => {
  let cluster: Cluster;
  let nodes: Nodes;
  let apis: ApiServer[];
  /** One for each apiserver, with nothing of the code under test. */
  let truths: KubeClient[];

  before(async () => {
    cluster = await Cluster.start({
      bare: true,
      args: ['--feature-gates=EphemeralContainers=true'],
    });
    // No controller makes it here, and without it pods are refused.
    await cluster.client.create('/api/v1/namespaces/default/serviceaccounts', {
      metadata: { name: 'default' },
    });
    nodes = await Nodes.create(cluster.client, 1);
    apis = await loadKube(
      cluster.kubeconfig,
      cluster.apiservers.map(({ url }) => url),
    );
    truths = cluster.apiservers.map(({ url }) => new KubeClient(cluster.pki, url));
  });
  after(async () => {
    for (const one of [...apis, ...truths]) one.close();
    await nodes.stop();
    await cluster.remove();
  });

  function options(resources = [PODS]): FreezingOptions {
    return { apiservers: apis, resources, onNote: () => undefined };
  }

  async function freeze(resources = [PODS]): Promise<Freeze> {
    const over = await Freeze.find(apis);
    return (await freezeAll(options(resources), freezeOwner('freeze apply'), over)).freeze;
  }

  async function unfreeze(resources = [PODS]): Promise<void> {
    await thaw(await Freeze.find(apis), options(resources));
  }

  /** Until every apiserver asks the webhook that answers so slowly. */
  async function untilReached(slowMs: number): Promise<void> {
    const body = { metadata: { labels: { a: 'b' } } };
    const asks = async (truth: KubeClient) => {
      const started = performance.now();
      await truth.send('PATCH', `${PODS_PATH}/some`, body, { dryRun: 'All' });
      return performance.now() - started >= slowMs;
    };
    await until('the webhook is asked', async () =>
      (await Promise.all(truths.map(asks))).every(Boolean),
    );
  }

  async function probes(expected: Expected, resources = [PODS]): Promise<ProbeReport[]> {
    return Promise.all(apis.map((api) => probe(api, resources, expected)));
  }

  function got({ checks }: ProbeReport, what: string): string | undefined {
    return checks.find((check) => check.what === what)?.got;
  }

  /** Every pod with its revision: what a dry run must leave alone. */
  async function pods(): Promise<string[]> {
    const { items } = await cluster.client.list(PODS_PATH);
    return items.map(({ metadata: { name, resourceVersion } }) => `${name} ${resourceVersion}`);
  }

  it('takes a webhook, says the apiservers, and what they serve', async () => {
    expect(await freezeWay(apis)).to.equal('webhook');
    expect(await apiserverAddresses(apis[0]!)).to.have.length(2);
    const before = await listRevision(apis[0]!, PODS);
    await cluster.client.patch('/api/v1/nodes/node-0', { metadata: { labels: { a: 'b' } } });
    expect(await listRevision(apis[1]!, PODS)).to.be.above(before);
  });

  it('holds without any pod', async () => {
    for (const expected of ['open', 'frozen', 'open'] as const) {
      if (expected === 'frozen') await freeze();
      else await unfreeze();
      for (const report of await probes(expected)) {
        const word = expected === 'open' ? 'accepted' : 'refused';
        expect(report.on).to.deep.equal([{ resource: 'pods', object: null }]);
        expect(report.ok, JSON.stringify(report)).to.be.true;
        for (const what of ['create pods', 'pods/binding', 'bindings'])
          expect(got(report, what), what).to.equal(word);
        expect(got(report, 'delete pods')).to.equal('not asked');
      }
    }
    expect(await pods()).to.deep.equal([]);
  });

  it('is seen to hold though the pod that is asked about is being deleted by then', async () => {
    // A pod that has a node waits for its kubelet, and there is none.
    const { spec, ...rest } = pod('leaving') as { spec: object };
    await cluster.client.create(PODS_PATH, { ...rest, spec: { ...spec, nodeName: 'node-0' } });
    const asked = apis.map((api) => new WriteProbe(api, [PODS]));
    for (const one of asked) await one.prepare();
    await cluster.client.delete(`${PODS_PATH}/leaving`);

    const owner = freezeOwner('freeze apply');
    const frozen = await Freeze.apply(apis, [PODS], 'webhook', owner);
    await untilRefused(asked, { leaveOut: (url) => url, within: 20_000 });
    for (const report of await probes('frozen')) {
      expect(report.ok, JSON.stringify(report)).to.be.true;
      expect(got(report, 'update pods')).to.equal('refused');
      expect(got(report, 'delete pods')).to.equal('not asked');
    }
    await thaw(frozen, options());
    await cluster.client.delete(`${PODS_PATH}/leaving`, { gracePeriodSeconds: 0 });
  });

  it('refuses every path and nothing else; without effect; and again after it was removed', async () => {
    await cluster.client.create(PODS_PATH, pod('bound'));
    await cluster.client.create(`${PODS_PATH}/bound/binding`, {
      metadata: { name: 'bound' },
      target: { kind: 'Node', name: 'node-0' },
    });
    await cluster.client.create(PODS_PATH, pod('waiting'));
    const there = await pods();
    for (const expected of ['open', 'frozen', 'open', 'frozen', 'open'] as const) {
      if (expected === 'frozen') await freeze();
      else await unfreeze();
      for (const report of await probes(expected)) {
        const word = expected === 'open' ? 'accepted' : 'refused';
        expect(report.ok, JSON.stringify(report)).to.be.true;
        for (const what of WRITES) expect(got(report, what), what).to.equal(word);
        for (const what of [...ALWAYS, 'patch nodes', 'nodes/status'])
          expect(got(report, what), what).to.equal('accepted');
        expect(got(report, 'pods/resize')).to.equal('absent');
      }
      const other = expected === 'open' ? 'frozen' : 'open';
      expect((await probes(other)).map(({ ok }) => ok)).to.deep.equal([false, false]);
      expect(await pods()).to.deep.equal(there);
    }
  });

  it('refuses real writes at every apiserver, and lets them through afterwards', async () => {
    const eviction = {
      apiVersion: 'policy/v1beta1',
      kind: 'Eviction',
      metadata: { name: 'bound' },
    };
    const writes: [string, string, object?][] = [
      ['POST', PODS_PATH, pod('new')],
      ['PATCH', `${PODS_PATH}/bound`, { metadata: { labels: { a: 'b' } } }],
      ['PATCH', `${PODS_PATH}/bound/status`, { status: { message: 'x' } }],
      [
        'POST',
        '/api/v1/namespaces/default/bindings',
        { metadata: { name: 'waiting' }, target: { kind: 'Node', name: 'node-0' } },
      ],
      ['POST', `${PODS_PATH}/bound/eviction`, eviction],
      ['DELETE', PODS_PATH],
    ];
    await freeze();
    const there = await pods();
    for (const truth of truths) {
      for (const [method, path, body] of writes)
        expect((await truth.send(method, path, body)).status, `${method} ${path}`).to.equal(500);
      const { status } = await truth.send('PATCH', '/api/v1/nodes/node-0', {
        metadata: { labels: { c: 'd' } },
      });
      expect(status).to.equal(200);
      // It writes nothing, and is let through to a kubelet that is not there.
      const exec = await truth.send('POST', `${PODS_PATH}/bound/exec`, undefined, { command: 'x' });
      expect(JSON.stringify(exec)).not.to.contain('freeze');
    }
    expect(await pods()).to.deep.equal(there);
    await unfreeze();
    for (const [i, [method, path, body]] of writes.entries()) {
      const { status } = await truths[i % 2]!.send(method, path, body);
      expect(status, `${method} ${path}`).to.be.below(300);
    }
  });

  it('holds while an apiserver restarts: none lets a write pass before it knows of the freeze', async () => {
    await cluster.client.create(PODS_PATH, pod('steady'));
    await freeze();
    const there = await pods();
    const [apiserver] = cluster.apiservers;
    const [truth] = truths;
    const restart = { over: false };
    const answers: number[] = [];
    const writing = (async () => {
      for (let since = 0; since < 20; since += restart.over ? 1 : 0) {
        const body = { metadata: { labels: { a: String(answers.length) } } };
        const answer = await truth!
          .send('PATCH', `${PODS_PATH}/steady`, body)
          .catch(() => undefined);
        if (answer) answers.push(answer.status);
      }
    })();
    await apiserver!.restart();
    restart.over = true;
    await writing;
    expect(answers.filter((status) => status < 300)).to.deep.equal([]);
    expect(answers).to.include(500);
    expect(await pods()).to.deep.equal(there);
    expect((await probes('frozen')).map(({ ok }) => ok)).to.deep.equal([true, true]);
    await unfreeze();
  });

  it('says accepted of an eviction that only a disruption budget refuses', async () => {
    await cluster.client.create(PODS_PATH, pod('guarded'));
    await cluster.client.patch(`${PODS_PATH}/guarded/status`, {
      status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
    });
    await cluster.client.create('/apis/policy/v1beta1/namespaces/default/poddisruptionbudgets', {
      metadata: { name: 'guard' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'guarded' } } },
    });
    for (const report of await probes('open')) {
      expect(report.ok, JSON.stringify(report)).to.be.true;
      expect(got(report, 'pods/eviction')).to.equal('accepted');
    }
  });

  it('freezes other resources, and changes what is frozen', async () => {
    await cluster.client.create('/api/v1/namespaces/default/configmaps', {
      metadata: { name: 'some' },
      data: { a: 'b' },
    });
    const { since } = await freeze();
    expect((await freeze([CONFIGMAPS, LEASES])).since).to.deep.equal(since);
    for (const report of await probes('frozen', [CONFIGMAPS, LEASES])) {
      expect(report.ok, JSON.stringify(report)).to.be.true;
      for (const verb of ['create', 'update', 'patch', 'delete', 'deletecollection'])
        for (const resource of ['configmaps', 'leases'])
          expect(got(report, `${verb} ${resource}`)).to.equal('refused');
      expect(got(report, 'nodes/status')).to.equal('accepted');
    }
    await unfreeze([CONFIGMAPS, LEASES]);
    expect(await Freeze.find(apis)).to.equal(undefined);
  });

  it('has one owner, and nobody else changes or removes it', async () => {
    const [a, b] = [freezeOwner('cutover'), freezeOwner('rollback')];
    const apply = async (owner: FreezeOwner, over?: Freeze) =>
      Freeze.apply(apis, [PODS], 'webhook', owner, over);
    const tries = await Promise.allSettled([apply(a), apply(b)]);
    expect(tries.map(({ status }) => status).sort()).to.deep.equal(['fulfilled', 'rejected']);
    const [won] = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const loser = won?.owner?.run === a.run ? b : a;
    await failure(apply(loser), 'FREEZE_TAKEN');
    await won!.prove(apis);
    await won!.hold(apis);
    await won!.prove(apis);

    const next = await apply(loser, await Freeze.find([...apis].reverse()));
    expect(next).to.deep.include({ held: true, owner: loser, since: won!.since });
    for (const late of ['prove', 'hold', 'remove'] as const)
      await failure(won![late](apis), 'FREEZE_LOST');
    const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/etcd-lockstep-freeze`;
    await cluster.client.patch(path, { metadata: { labels: { by: 'somebody' } } });
    await next.prove(apis);
    const rules = { webhooks: [] };
    await cluster.client.patch(path, rules);
    await failure(next.prove(apis), 'FREEZE_LOST');
    await next.remove(apis);
    expect(await Freeze.find(apis)).to.equal(undefined);

    const gone = await apply(a);
    await gone.remove(apis);
    await apply(a);
    await failure(gone.prove(apis), 'FREEZE_LOST');
    await failure(gone.remove(apis), 'FREEZE_LOST');
    await unfreeze();
  });

  it('takes one round of a slow webhook of others, and no more', async () => {
    const SLOW = 3000;
    await cluster.client.create(PODS_PATH, pod('some'));
    const { reviews, end } = await othersWebhook(cluster, SLOW);
    try {
      await untilReached(SLOW);
      reviews.length = 0;
      await freezeAll(options(), freezeOwner('cutover'), undefined);
      // A pod is asked in so many ways that this webhook sees.
      expect(reviews.length).to.be.at.least(apis.length * 6);
      expect(rounds(reviews), JSON.stringify(reviews)).to.equal(1);
    } finally {
      await end();
      await unfreeze();
    }
  });

  it('is not believed where a broken webhook of others says no first', async () => {
    const { end } = await othersWebhook(cluster, undefined);
    try {
      await until('it refuses', async () => (await probes('open')).every(({ ok }) => !ok));
      const owner = freezeOwner('cutover');
      const error = await failure(freezeAll(options(), owner, undefined), 'KUBE');
      expect(error.message).to.contain('others.example.org');
      await thawOwn(owner, options());
      expect(await Freeze.find(apis)).to.equal(undefined);
    } finally {
      await end();
      await until('it is gone', async () => (await probes('open')).every(({ ok }) => ok));
    }
  });

  it('is a command: print, apply, probe, remove', async () => {
    const urls = cluster.apiservers.map(({ url }) => url).join(',');
    const command = (...args: string[]) =>
      run(['freeze', ...args, '--kubeconfig', cluster.kubeconfig, '--apiservers', urls]);
    expect((await command('print')).stdout).to.contain('kind: ValidatingWebhookConfiguration');
    expect((await command('probe')).code).to.equal(1);
    const applied = await command('apply', '-w', 'json');
    expect(applied.code, applied.stderr).to.equal(0);
    const { since, ...result } = contract.freeze.parse(whole(applied.stdout)[0]);
    expect(result).to.deep.equal({
      frozen: true,
      way: 'webhook',
      resources: ['pods'],
      apiservers: urls.split(','),
    });
    expect(since).not.to.equal(null);
    const asked = await command('probe', '--open', '-w', 'json');
    expect(asked.code).to.equal(1);
    expect(contract.freezeProbe.parse(whole(asked.stdout)[0]).probe.since).to.equal(since);
    const probed = await command('probe');
    expect(probed.code, probed.stdout).to.equal(0);
    expect(probed.stdout).to.contain('AS EXPECTED (frozen)');
    expect((await command('remove')).code).to.equal(0);
    expect((await command('probe', '--open')).code).to.equal(0);
  });
});
