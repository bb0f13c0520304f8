/**
 * How long pods cannot be written in a cutover, on a real Kubernetes: our own share (drain, compare,
 * takeover, fence), which must not grow with the pods, and the whole of it, for apiservers that are
 * restarted one after the other and for pre-warmed ones.
 *
 * Pods and ConfigMaps are written through the API all along. Control plane, both etcds and the tool
 * share the machine's cores, so the apiservers' starts are slow; the own share hardly suffers from that.
 */
import { z } from 'zod';
import { setTimeout as sleep } from 'node:timers/promises';
import { count } from '../../src/text.js';
import { ApiServer } from '../../test/k8s/apiserver.js';
import { haveKube } from '../../test/k8s/binaries.js';
import type { KubeClient } from '../../test/k8s/client.js';
import { clonePod } from '../../test/k8s/clones.js';
import { Cluster } from '../../test/k8s/cluster.js';
import { Hook } from '../../test/k8s/hook.js';
import { Lockstep } from '../../test/k8s/lockstep.js';
import { flipTo, prewarm } from '../../test/k8s/prewarm.js';
import { lockstep } from '../kit/commands.js';
import { SERVER_FLAGS, Store } from '../kit/etcds.js';
import { inFolder, say } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const [FEW, MANY] = [1_000, 20_000];
const WAYS = ['rolling', 'pre-warmed'] as const;
type Way = (typeof WAYS)[number];

/** Between two writes of a kind. */
const PAUSE_MS = 20;
/** With it a pod takes about 4 KB. */
const PADDING = 'x'.repeat(3000);
const OWN = ['drain', 'compare', 'takeover', 'fence'];
/** What else keeps writes out. */
const FROZEN = ['freeze', 'switch', 'unfreeze'];
const DEFAULT = '/api/v1/namespaces/default';
/** Of follower and cutover alike. */
const PROPOSALS = ['--dest-peers', 'members'];
/** By proposals; 0.3 of it is the time for which nothing may have come. */
const OWN_MOST_SECONDS = 0.45;

const result = z.object({
  cutover: z.object({
    frozenSeconds: z.number(),
    ownSeconds: z.number(),
    alarms: z.array(z.string()).max(0),
    steps: z.array(z.object({ step: z.string(), seconds: z.number() })),
  }),
});
type Result = z.infer<typeof result>['cutover'];

export async function cutoverScenario(bench: Bench): Promise<Row[]> {
  if (!haveKube()) {
    say('left out: no Kubernetes; make k8s builds one');
    return [];
  }
  const rows: Row[] = [];
  for (const way of WAYS) rows.push(...(await measure(bench.runs, way)));
  return rows;
}

async function measure(runs: number, way: Way): Promise<Row[]> {
  const own = new Figures();
  const proposed = new Figures();
  const whole = new Figures();
  for (let i = 0; i < runs; i++) {
    const few = await oneRun(FEW, way);
    const many = await oneRun(MANY, way);
    const fast = await oneRun(MANY, way, PROPOSALS);
    own.ours.push(many.ownSeconds);
    own.theirs.push(few.ownSeconds);
    proposed.ours.push(fast.ownSeconds);
    proposed.theirs.push(many.ownSeconds);
    whole.ours.push(many.frozenSeconds);
    whole.theirs.push(few.frozenSeconds);
    for (const { step, seconds } of fast.steps)
      if (OWN.includes(step)) proposed.part(`${step} s`, seconds);
    for (const { step, seconds } of many.steps) {
      if (OWN.includes(step)) own.part(`${step} s`, seconds);
      if (FROZEN.includes(step)) whole.part(`${step} s`, seconds);
    }
  }
  const against = `the same with ${count(FEW)} pods`;
  const row = (what: string, { ours, theirs, parts }: Figures): Row => ({
    ...{ scenario: 'cutover', what: `${way}, ${count(MANY)} pods: ${what}`, unit: 's' },
    ...{ ours, against, theirs, parts, ratio: 'share' },
  });
  const byProposals = row('our share of the freeze, by proposals', proposed);
  return [
    { ...row('our share of the freeze', own), goal: { atMost: 1.3 } },
    { ...byProposals, against: 'by transactions' },
    {
      ...byProposals,
      ...{ against: 'the most that it may be', goal: { atMost: 1 }, parts: {} },
      theirs: proposed.ours.map(() => OWN_MOST_SECONDS),
    },
    row('the whole freeze', whole),
  ];
}

async function oneRun(pods: number, way: Way, peers: readonly string[] = []): Promise<Result> {
  say(`${way}, ${count(pods)} pods${peers.length > 0 ? ', by proposals' : ''}`);
  return inFolder(async (folder) => {
    const { etcd } = await Store.empty(folder);
    const cluster = await Cluster.start({ etcd, bare: true });
    const ends: (() => Promise<unknown>)[] = [() => etcd.remove(), () => cluster.remove()];
    try {
      await makePods(cluster, pods);
      const pair = await Lockstep.start(etcd, { args: SERVER_FLAGS }, undefined, peers);
      ends.push(() => pair.remove());
      const load = new Load(cluster.client);
      ends.push(() => load.end());
      const { apiservers, flags, end } = await (way === 'rolling' ? rolling : prewarmed)(
        cluster,
        pair,
      );
      ends.push(end);
      const args = [
        ...['cutover', '--endpoints', etcd.endpoint, '--dest-endpoints', pair.target.endpoint],
        ...['--kubeconfig', cluster.kubeconfig, '--apiservers', urls(apiservers)],
        ...['--yes', '--watch', '0', ...peers, ...flags],
      ];
      return result.parse((await lockstep(folder, args)).result).cutover;
    } finally {
      for (const end of ends.reverse()) await end();
    }
  });
}

function urls(apiservers: readonly ApiServer[]): string {
  return apiservers.map(({ url }) => url).join(',');
}

/** What moves the apiservers. */
interface Move {
  apiservers: readonly ApiServer[];
  flags: string[];
  end: () => Promise<unknown>;
}

async function rolling(cluster: Cluster): Promise<Move> {
  const hook = await Hook.on(({ apiserver, overrides }) =>
    cluster.restart(cluster.named(apiserver), [`--etcd-servers-overrides=${overrides}`]),
  );
  const end = () => {
    hook.close();
    return Promise.resolve();
  };
  return { apiservers: cluster.apiservers, flags: ['--switch-hook', hook.command], end };
}

async function prewarmed(cluster: Cluster, { target, follower }: Lockstep): Promise<Move> {
  const warm = await prewarm(cluster, `/pods#${target.endpoint}`);
  await follower.until('near', ({ state }) => state === 'in lockstep');
  const hook = await Hook.on(() => flipTo(cluster, warm));
  const end = async () => {
    hook.close();
    await Promise.all(warm.map((one) => one.kill()));
  };
  const old = ['--old-apiservers', urls(cluster.apiservers)];
  return { apiservers: warm, flags: [...old, '--flip-hook', hook.command], end };
}

/** The first is made by the API, the others are copies of it. */
async function makePods({ client, etcd }: Cluster, pods: number): Promise<void> {
  await client.create(`${DEFAULT}/serviceaccounts`, { metadata: { name: 'default' } });
  const name = (i: number) => `pod-${String(i).padStart(6, '0')}`;
  const metadata = { name: name(0), annotations: { padding: PADDING } };
  const spec = {
    automountServiceAccountToken: false,
    containers: [{ name: 'app', image: 'app' }],
  };
  await client.create(`${DEFAULT}/pods`, { metadata, spec });
  await clonePod(
    etcd,
    name(0),
    Array.from({ length: pods - 1 }, (_, i) => name(i + 1)),
  );
}

/** Writes that go on all along; those to pods are refused while they are frozen. */
class Load {
  #ended = false;
  readonly #loops: Promise<void>[];

  constructor(client: KubeClient) {
    const metadata = { name: 'other' };
    const others = () =>
      client.patch(`${DEFAULT}/configmaps/other`, { data: { at: String(Date.now()) } });
    const pods = () =>
      client.patch(`${DEFAULT}/pods/pod-000000`, {
        metadata: { labels: { at: String(Date.now()) } },
      });
    this.#loops = [
      client.create(`${DEFAULT}/configmaps`, { metadata }).then(() => this.#repeat(others)),
      this.#repeat(pods),
    ];
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#loops);
  }

  async #repeat(write: () => Promise<unknown>): Promise<void> {
    while (!this.#ended) {
      await write().catch(() => undefined);
      await sleep(PAUSE_MS);
    }
  }
}
