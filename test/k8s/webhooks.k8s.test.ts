/** Webhooks of others that every write of a pod goes through: a slow one, and some that hide the freeze. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { errorOf, run, type Ended } from '../cli/run.js';
import { freePorts } from '../rig/ports.js';
import { Bare } from './bare.js';
import { describeKube } from './binaries.js';
import { frozen, phaseOf } from './night.js';
import { cutoverReport, freezeText } from './reports.js';
import { until } from './until.js';

const BASE = '/apis/admissionregistration.k8s.io';
const NAME = 'others.example.com';
const SLOW_MS = 2000;
/** One to see that it has turned and one for all paths, each way; a path each would be eleven. */
const ROUNDS = 3;

describeKube('webhooks of others', () => {
  let bare: Bare;
  let server: Server;
  let url: string;
  let waits = 0;

  before(async () => {
    bare = await Bare.start();
    const { server: pair } = bare.cluster.pki;
    server = createServer({ key: readFileSync(pair.key), cert: readFileSync(pair.cert) });
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { uid } = (
          JSON.parse(Buffer.concat(chunks).toString()) as { request: { uid: string } }
        ).request;
        const review = { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' };
        void sleep(waits).then(() =>
          response
            .writeHead(200, { 'content-type': 'application/json' })
            .end(JSON.stringify({ ...review, response: { uid, allowed: true } })),
        );
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
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

  async function freeze(...args: string[]): Promise<Ended & { seconds: number }> {
    const { kubeconfig, apiservers } = bare.cluster;
    const urls = apiservers.map((one) => one.url).join(',');
    const since = Date.now();
    const at = ['--kubeconfig', kubeconfig, '--apiservers', urls, '-w', 'json'];
    const ended = await run(['freeze', ...args, ...at]);
    return { ...ended, seconds: (Date.now() - since) / 1000 };
  }

  async function applyAndRemove(): Promise<number[]> {
    const all = [await freeze('apply'), await freeze('remove')];
    for (const { code, stderr } of all) expect(code, stderr).to.equal(0);
    return all.map(({ seconds }) => seconds);
  }

  it('one that takes two seconds costs a few of them, and not some for each path', async () => {
    const usual = await applyAndRemove();
    waits = SLOW_MS;
    await webhook('v1', {}, /^slow 200/);
    const slow = await applyAndRemove();
    const ended = await bare.run('cutover');
    expect(ended.code, ended.stderr).to.equal(0);
    const report = cutoverReport(ended);
    console.log(
      `      apply and remove: ${usual.join(' and ')} s, with it ${slow.join(' and ')} s`,
    );
    console.log(`      ${freezeText(report)}`);

    const most = (ROUNDS * SLOW_MS) / 1000;
    for (const [i, seconds] of slow.entries()) expect(seconds - usual[i]!).to.be.below(most);
    const took = (name: string) => report.steps.find(({ step }) => step === name)!.seconds;
    expect(took('freeze')).to.be.below(most);
    expect(took('unfreeze')).to.be.below(most);

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
