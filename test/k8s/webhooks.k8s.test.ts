/** Webhooks of others that every write of a pod goes through: a slow one, and some that hide the freeze. */
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { errorOf, run, type Ended } from '../cli/run.js';
import { freePorts } from '../rig/ports.js';
import { Bare } from './bare.js';
import { describeKube } from './binaries.js';
import { frozen, phaseOf } from './night.js';
import { until } from './until.js';
import { reviewer, rounds, type Review } from './webhook.js';

const BASE = '/apis/admissionregistration.k8s.io';
const NAME = 'others.example.com';
/** As slow as that, so that what is asked together comes together, on a machine that is busy, too. */
const SLOW_MS = 3000;

/** Asked again and again until the freeze is known, for which each apiserver takes a time of its own. */
const GLANCE = 'DELETE pods pod-0';
const OTHER_PATHS = [
  'CREATE bindings pod-0',
  'CREATE pods etcd-lockstep-probe',
  'CREATE pods/binding pod-0',
  'CREATE pods/eviction pod-0',
  'DELETE pods ',
  'UPDATE pods pod-0',
  'UPDATE pods/status pod-0',
];

describeKube('webhooks of others', () => {
  let bare: Bare;
  let server: Server;
  let reviews: Review[];
  let url: string;
  let waits = 0;

  before(async () => {
    bare = await Bare.start();
    ({ server, reviews } = await reviewer(bare.cluster.pki, () => waits));
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  after(async () => {
    server.close();
    server.closeAllConnections();
    await bare.end();
  });
  afterEach(async () => {
    await bare.cluster.client.delete(`${BASE}/v1/mutatingwebhookconfigurations/others`);
    waits = 0;
  });

  /** Returns when every apiserver asks it. */
  async function webhook(version: 'v1' | 'v1beta1', hook: object, known: RegExp): Promise<void> {
    const { client, pki, apiservers } = bare.cluster;
    const caBundle = readFileSync(pki.ca.cert).toString('base64');
    await client.create(`${BASE}/${version}/mutatingwebhookconfigurations`, {
      metadata: { name: 'others' },
      webhooks: [
        {
          name: NAME,
          clientConfig: { url, caBundle },
          rules: [
            {
              apiGroups: [''],
              apiVersions: ['v1'],
              operations: ['CREATE', 'UPDATE', 'DELETE'],
              resources: ['pods', 'pods/*', 'bindings'],
            },
          ],
          failurePolicy: 'Fail',
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          timeoutSeconds: 10,
          ...hook,
        },
      ],
    });
    for (const one of apiservers)
      await until('the webhook', async () => known.test(await touch(one.url)));
  }

  /** A dry run at one apiserver: how long it took, and what it answered. */
  async function touch(at: string): Promise<string> {
    const client = bare.clientAt(at);
    try {
      const since = Date.now();
      const body = { metadata: { annotations: { a: 'b' } } };
      const path = '/api/v1/namespaces/default/pods/pod-0';
      const answer = await client.send('PATCH', path, body, { dryRun: 'All' });
      const slow = Date.now() - since >= SLOW_MS ? 'slow' : 'fast';
      return `${slow} ${answer.status} ${JSON.stringify(answer.body)}`;
    } finally {
      client.close();
    }
  }

  async function freeze(...args: string[]): Promise<Ended> {
    const { kubeconfig, apiservers } = bare.cluster;
    const urls = apiservers.map((one) => one.url).join(',');
    return run(['freeze', ...args, '--kubeconfig', kubeconfig, '--apiservers', urls, '-w', 'json']);
  }

  /** What has come to the webhook through what this did, which must succeed. */
  async function through(command: () => Promise<Ended>): Promise<Review[]> {
    reviews.length = 0;
    const ended = await command();
    expect(ended.code, ended.stderr).to.equal(0);
    return [...reviews];
  }

  it('one that is slow is waited for once to see the turn, and once for all paths', async () => {
    waits = SLOW_MS;
    await webhook('v1', {}, /^slow 200/);
    isWaitedFor(await through(() => freeze('apply')), { rounds: 1 });
    isWaitedFor(await through(() => freeze('remove')), { rounds: 1 });
    // When it freezes, and when it lets writes in.
    isWaitedFor(await through(() => bare.run('cutover')), { rounds: 2 });

    const back = await bare.run('rollback');
    expect(back.code, back.stderr).to.equal(0);
    await bare.again();
  });

  /** Before anything is changed it is named, and `freeze probe --open` names it days before. */
  async function refused(): Promise<void> {
    const probed = await freeze('probe', '--open');
    expect(probed.code, probed.stderr).to.equal(1);
    expect(probed.stdout).to.include(NAME);
    const ended = await bare.run('cutover');
    expect(errorOf(ended).code, ended.stderr).to.equal('KUBE');
    expect(errorOf(ended).message).to.include(NAME);
    expect(errorOf(ended).hint).to.include('`etcd-lockstep freeze probe --open`');
    expect(await frozen(bare.cluster)).to.equal(false);
    expect(await phaseOf(bare.lockstep.target)).to.equal(undefined);
    expect(bare.hook.asked).to.deep.equal([]);
  }

  it('one that is broken hides the freeze: it is named, and nothing stays frozen', async () => {
    const [port] = (await freePorts(1)) as [number];
    const broken = { clientConfig: { url: `https://127.0.0.1:${port}/` } };
    await webhook('v1', broken, /failed calling webhook/);
    await refused();
  });

  it('one that does not take dry runs hides it, too', async () => {
    await webhook('v1beta1', { sideEffects: 'Some' }, /does not support dry run/);
    await refused();
  });
});

/** All paths were asked, those of both apiservers side by side; and glances did not wait for each other. */
function isWaitedFor(reviews: readonly Review[], expected: { rounds: number }): void {
  const [glances, others] = [true, false].map((are) =>
    reviews.filter(({ path }) => (path === GLANCE) === are),
  ) as [Review[], Review[]];
  expect([...new Set(others.map(({ path }) => path))].sort()).to.deep.equal(OTHER_PATHS);
  expect(rounds(others), JSON.stringify(others)).to.equal(expected.rounds);
  const first = Math.min(...glances.map(({ answered }) => answered));
  expect(glances.filter(({ came }) => came < first).length).to.be.above(2);
}
