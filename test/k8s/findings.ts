/** What became of a cluster whose pods were moved: nothing is wrong, or this is. */
import { differences, known } from './informer.js';
import type { Scene } from './scene.js';
import { until } from './until.js';
import { podPath, PODS } from './workload.js';

/** Where nothing is wrong, everything is seen within two seconds. */
const SEEN_WITHIN_MS = 10_000;
/**
 * Scheduler and controllers wait before they list again what they could not watch on: with each restart
 * of an apiserver twice as long, up to 30 s and as much again by chance (client-go's reflector). Two
 * minutes without one, and they begin anew.
 */
const BACK_WITHIN_MS = 60_000 + SEEN_WITHIN_MS;
export const NEW_PODS = 10;
const REPLACED = 3;

/** What is wrong, each empty where all is well. */
export interface Findings {
  /** New pods that the scheduler, which never restarted, gives no node, or that don't run there. */
  unscheduled: string[];
  /** Deleted pods of a ReplicaSet, which its controller, which never restarted, does not replace. */
  unreplaced: string[];
  /** Pods that nobody wrote to, and which are not as they were. */
  changed: string[];
  /** Accepted writes that are lost, refused ones that are there. */
  writes: string[];
  /** Writes to other things than pods that were not accepted. */
  others: string[];
  /** Where clients that keep a copy of all pods differ from the API. */
  informers: string[];
  /** Parts of the control plane that are not the process any more that they were. */
  restarted: string[];
}

export const NOTHING: Findings = {
  unscheduled: [],
  unreplaced: [],
  changed: [],
  writes: [],
  others: [],
  informers: [],
  restarted: [],
};

/** Tries everything out; the workload has been stopped, the freeze has ended. */
export async function findings(scene: Scene): Promise<Findings> {
  const { workload } = scene;
  const made = await makePods(scene);
  // Before anybody is waited for: with more writes a copy that has missed some sees again.
  const early = await left(() => Promise.resolve(unseen(scene, made)), SEEN_WITHIN_MS);
  for (let i = 0; i < REPLACED; i++) await workload.deleteReplica();
  const [unscheduled, unreplaced] = await Promise.all([
    left(() => notRunning(scene, made), BACK_WITHIN_MS),
    left(() => missingReplicas(scene), BACK_WITHIN_MS),
  ]);
  const late = await left(() => outdated(scene), SEEN_WITHIN_MS);
  const { items } = await scene.cluster.client.list(PODS);
  const there = new Map(items.map((pod) => [podPath(pod), pod]));
  const still = items.filter(({ metadata }) => metadata.name.startsWith('still-'));
  return {
    unscheduled,
    unreplaced,
    changed: differences(known(still), scene.still),
    writes: workload.pods.problems(there),
    others: workload.others.writes
      .filter(({ outcome }) => outcome === 'refused')
      .map(({ path, message }) => `${path}: ${message ?? ''}`),
    informers: late.length > 0 ? late : early,
    restarted: ended(scene),
  };
}

/** What a list still has in it when it had time to become empty. */
async function left(list: () => Promise<string[]>, withinMs: number): Promise<string[]> {
  let last: string[] = [];
  const empty = async () => (last = await list()).length === 0;
  await until('', empty, withinMs).catch(() => undefined);
  return last;
}

async function makePods({ workload }: Scene): Promise<string[]> {
  const before = workload.pods.writes.length;
  const names = Array.from({ length: NEW_PODS }, (_, i) => `new-${before + i}`);
  for (const name of names) {
    const { outcome, message } = await workload.createPod(name);
    if (outcome !== 'accepted') throw new Error(`pods cannot be created: ${message ?? outcome}`);
  }
  return names;
}

async function notRunning({ cluster }: Scene, names: readonly string[]): Promise<string[]> {
  const { items } = await cluster.client.list(PODS);
  const running = items.filter(({ status }) => status?.['phase'] === 'Running');
  const there = new Set(running.map(({ metadata }) => metadata.name));
  return names.filter((name) => !there.has(name));
}

async function missingReplicas({ workload }: Scene): Promise<string[]> {
  const pods = await workload.replicaPods();
  const running = pods.filter(({ status }) => status?.['phase'] === 'Running').length;
  const good = pods.length === workload.replicas && running === workload.replicas;
  return good ? [] : [`${pods.length} of ${workload.replicas} are there, ${running} of them run`];
}

/** Of pods that are there to stay, so that it does not matter who writes meanwhile. */
function unseen({ informers }: Scene, names: readonly string[]): string[] {
  return [...informers].flatMap(([what, { objects }]) =>
    names
      .filter((name) => !objects.has(`default/${name}`))
      .map((name) => `${what}: default/${name}: missing`),
  );
}

async function outdated({ informers }: Scene): Promise<string[]> {
  const each = [...informers].map(async ([what, informer]) =>
    (await informer.differences()).map((difference) => `${what}: ${difference}`),
  );
  return (await Promise.all(each)).flat();
}

function ended({ cluster: { scheduler, controllers } }: Scene): string[] {
  return Object.entries({ scheduler, controllers }).flatMap(([name, one]) => {
    const end = one?.ended();
    return end === undefined ? [] : [`${name}: ${end}`];
  });
}
