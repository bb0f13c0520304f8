/**
 * A night on a real Kubernetes, ours and that of a learner that is restored as a cluster of its own: two
 * apiservers under load, restarted one after the other, clients that list while one is away. How long pods
 * could not be written is told by those who write them, for both in the same way; and what is wrong
 * afterwards, by the clients that have a copy of all pods, the scheduler and the controllers.
 *
 * The learner's night is done by hands that know what they do: the same freeze, known at each apiserver,
 * and then only what the split needs. Twice: with the new head raised above the old one's, as a cutover of
 * ours does it, and without.
 */
import { freezeObjects } from '../../src/kube/manifests.js';
import { PODS as PODS_RESOURCE } from '../../src/kube/resource.js';
import { haveKube } from '../../test/k8s/binaries.js';
import { KubeClient } from '../../test/k8s/client.js';
import { clonePod } from '../../test/k8s/clones.js';
import { findings } from '../../test/k8s/findings.js';
import { Move, moveApiserver } from '../../test/k8s/move.js';
import { cutoverReport } from '../../test/k8s/reports.js';
import { Scene } from '../../test/k8s/scene.js';
import { until } from '../../test/k8s/until.js';
import { PODS } from '../../test/k8s/workload.js';
import { count } from '../../src/text.js';
import { EtcdClient } from '../../src/wire/client.js';
import { SERVER_FLAGS } from '../kit/etcds.js';
import { Learner, raise, timed, type Step } from '../kit/learner.js';
import { put } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import type { Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const CLONES = 300;
/** Of 4 KB each: what is in the old etcd beside the pods. */
const OTHERS = 5_000;
const AT_ONCE = 32;
/** As a cutover's margin. */
const RAISED = 2_000;
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const OWN = ['drain', 'compare', 'takeover', 'fence'];

interface Night {
  /** As the writers of pods saw it: from the last write that was let in until the next one. */
  frozenSeconds: number;
  ownSeconds: number;
  steps: Step[];
  /** So many things were wrong, by kind. */
  wrong: Record<string, number>;
}

export async function learnerNight(bench: Bench): Promise<Row[]> {
  if (!haveKube()) {
    say('the night is left out: no Kubernetes; make k8s builds one');
    return [];
  }
  const ours: Night[] = [];
  const raised: Night[] = [];
  const bare: Night[] = [];
  for (let i = 0; i < bench.runs; i++) {
    say('a night of ours');
    ours.push(await ourNight(bench));
    say('a night with a learner, the head raised');
    raised.push(await learnersNight(bench, true));
    say('a night with a learner, the head as it is');
    bare.push(await learnersNight(bench, false));
  }
  const what = `${count(CLONES)} pods among ${count(OTHERS)} others`;
  const row = (name: string, of: (night: Night) => number): Row => ({
    ...{ scenario: 'learner', what: `a night, ${what}: ${name}`, unit: 's', ratio: 'share' },
    ...{ ours: ours.map(of), against: 'a learner that is restored', theirs: raised.map(of) },
  });
  return [
    {
      ...row('own share of the freeze', ({ ownSeconds }) => ownSeconds),
      parts: { ...partsOf('ours', ours), ...partsOf('learner', raised) },
    },
    {
      ...row('the whole freeze', ({ frozenSeconds }) => frozenSeconds),
      parts: {
        ...wrongOf('ours', ours),
        ...wrongOf('learner', raised),
        ...wrongOf('learner, head not raised', bare),
      },
    },
  ];
}

function partsOf(whose: string, nights: readonly Night[]): Record<string, number[]> {
  const parts: Record<string, number[]> = {};
  for (const { steps } of nights)
    for (const { step, seconds } of steps) (parts[`${whose}: ${step} s`] ??= []).push(seconds);
  return parts;
}

function wrongOf(whose: string, nights: readonly Night[]): Record<string, number[]> {
  const parts: Record<string, number[]> = {};
  for (const { wrong } of nights)
    for (const [kind, n] of Object.entries(wrong))
      (parts[`${whose}: wrong ${kind}`] ??= []).push(n);
  return parts;
}

/** With pods and others in its etcd, and written to. */
async function prepared(bench: Bench): Promise<Scene> {
  const scene = await Scene.start();
  const { etcd } = scene.cluster;
  // As long as the name of the pod that they are copies of.
  const names = Array.from({ length: CLONES }, (_, i) => `c-${String(i).padStart(5, '0')}`);
  await clonePod(etcd, 'still-0', names);
  const client = new EtcdClient(etcd.endpoint, 'source');
  let left = OTHERS;
  const worker = async () => {
    while (left-- > 0)
      await put(
        client,
        Buffer.from(`/registry/bench.test/others/${left}`),
        bench.values.value(left),
      );
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  client.close();
  return scene;
}

async function ourNight(bench: Bench): Promise<Night> {
  const scene = await prepared(bench);
  const ends: (() => Promise<unknown>)[] = [() => scene.end()];
  try {
    const move = await Move.begin(scene);
    ends.push(() => move.end());
    const { ownSeconds, steps } = cutoverReport(await move.run('cutover'));
    return {
      ownSeconds,
      steps: steps.filter(({ step }) => OWN.includes(step)),
      ...(await after(scene)),
    };
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function learnersNight(bench: Bench, raises: boolean): Promise<Night> {
  return inFolder(async (folder) => {
    const scene = await prepared(bench);
    const ends: (() => Promise<unknown>)[] = [() => scene.end()];
    try {
      const { cluster } = scene;
      const learner = await Learner.join(folder, cluster.etcd, SERVER_FLAGS);
      ends.push(() => learner.end());
      await learner.caughtUp();
      const steps: Step[] = [];
      await freeze(scene);
      await timed(steps, 'drain', () => learner.caughtUp());
      const etcd = await learner.alone('restored', steps);
      ends.push(() => etcd.remove());
      if (raises) await timed(steps, 'raise the head', () => raise(etcd, RAISED));
      const ownSeconds = steps.reduce((sum, { seconds }) => sum + seconds, 0);
      for (const { url } of cluster.apiservers)
        await moveApiserver(scene, { apiserver: url, overrides: `/pods#${etcd.endpoint}` });
      await thaw(scene);
      await learner.forget();
      return { ownSeconds, steps, ...(await after(scene)) };
    } finally {
      for (const end of ends.reverse()) await end();
    }
  });
}

/** The object of our own freeze, and that each apiserver refuses. */
async function freeze({ cluster }: Scene): Promise<void> {
  const [webhook] = freezeObjects([PODS_RESOURCE], 'webhook');
  await cluster.client.create(WEBHOOKS, webhook!);
  const pod = {
    metadata: { name: 'probe' },
    spec: { containers: [{ name: 'app', image: 'app' }] },
  };
  for (const { url } of cluster.apiservers) {
    const client = new KubeClient(cluster.pki, url);
    await until('a refusal', async () => {
      const { status } = await client.send('POST', PODS, pod, { dryRun: 'All' });
      return status !== 201;
    });
    client.close();
  }
}

async function thaw({ cluster: { client } }: Scene): Promise<void> {
  const [webhook] = freezeObjects([PODS_RESOURCE], 'webhook');
  await client.delete(`${WEBHOOKS}/${webhook!.metadata.name}`);
}

async function after(scene: Scene): Promise<Pick<Night, 'frozenSeconds' | 'wrong'>> {
  await scene.workload.more(100);
  await scene.workload.stop();
  const found = await findings(scene);
  const list = Object.entries(found) as [string, string[]][];
  for (const [kind, what] of list) for (const one of what.slice(0, 3)) say(`wrong ${kind}: ${one}`);
  const wrong = Object.fromEntries(list.map(([kind, what]) => [kind, what.length]));
  return { frozenSeconds: frozenSeconds(scene), wrong };
}

/** The longest time in which no write of a pod was let in. */
function frozenSeconds({ workload }: Scene): number {
  const accepted = workload.pods.writes
    .filter(({ outcome }) => outcome === 'accepted')
    .map(({ answered }) => answered)
    .sort((a, b) => a - b);
  const gaps = accepted.slice(1).map((at, i) => at - accepted[i]!);
  return Math.max(...gaps) / 1000;
}
