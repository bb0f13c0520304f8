/**
 * How fast a backlog arrives on the target, near (follow) and 5 ms away (far): a history of which a
 * share is ours, captured in the journal before, applied in lockstep: by proposals through the peer port,
 * and by transactions. Against, on targets of the same kind in the same run,
 *   - what a target takes from one client: guarded transactions one after another, and small puts
 *     without any order;
 *   - make-mirror's tail on the same history. It was stopped (SIGSTOP) after its base sync, and goes
 *     on with the backlog waiting on the source. Where only a share of the history is pods, it has
 *     less to write than we have: its rate is in source revisions passed a second.
 */
import { backlog, type Backlog } from '../kit/backlog.js';
import { concurrent, roundTrip, sequential } from '../kit/ceiling.js';
import { Follow, MakeMirror } from '../kit/commands.js';
import { Store } from '../kit/etcds.js';
import { inFolder, say } from '../kit/place.js';
import { Network } from '../kit/proxy.js';
import { headRate } from '../kit/rate.js';
import { Figures, percentile, type Row } from '../kit/result.js';
import { cpuSeconds } from '../kit/usage.js';
import type { Bench } from '../kit/scenario.js';

/** Few: each of make-mirror's targets needs a base sync of them first. */
const KEYS = 2000;
const BACKLOG = Number(process.env['BACKLOG'] ?? 20_000);
/** Per cent. `SHARES=2` measures one of them. */
const SHARES = (process.env['SHARES'] ?? '100,20,2').split(',').map(Number);
const IN_FLIGHT = [32, 64];
const MOST_SECONDS = 10;

interface Way {
  scenario: string;
  /** Each way. */
  delayMs: number;
}

export async function followScenario(bench: Bench): Promise<Row[]> {
  return each(bench, { scenario: 'follow', delayMs: 0 });
}

/** 5 ms there and 5 ms back. */
export async function farScenario(bench: Bench): Promise<Row[]> {
  return each(bench, { scenario: 'far', delayMs: 5 });
}

async function each(bench: Bench, way: Way): Promise<Row[]> {
  const rows: Row[] = [];
  for (const share of SHARES) rows.push(...(await atShare(bench, way, share)));
  return rows;
}

/** The backlog, and the mirrors that do not have it yet. */
interface Scene extends Backlog {
  share: number;
  mirrors: Away<MakeMirror>[];
}

/** A target, its program, and the network between them. */
interface Away<T> {
  target: Store;
  network: Network;
  program: T;
}

async function atShare(bench: Bench, way: Way, share: number): Promise<Row[]> {
  const figures = new Figures();
  const [cpu, cpuOfTarget] = [new Figures(), new Figures()];
  const slow: number[] = [];
  const one: number[] = [];
  const many = IN_FLIGHT.map((): number[] => []);
  await inFolder(async (folder) => {
    const scene = await prepare(bench, folder, share, way);
    for (let i = 0; i < bench.runs; i++) {
      const proposed = await ours(scene, way, 'proposals', figures);
      const transacted = await ours(scene, way, 'transactions', figures);
      figures.ours.push(proposed.rate);
      slow.push(transacted.rate);
      cpu.ours.push(proposed.followUs);
      cpu.theirs.push(transacted.followUs);
      cpuOfTarget.ours.push(proposed.targetUs);
      cpuOfTarget.theirs.push(transacted.targetUs);
      const ceiling = await ceilings(bench, scene, way);
      figures.part('round trip of a read ms', ceiling.roundTripMs);
      one.push(ceiling.one);
      for (const [n, rate] of ceiling.many.entries()) many[n]!.push(rate);
      figures.theirs.push(await theirs(scene, way, scene.mirrors[i]!, figures));
    }
    await scene.source.remove();
  });
  const row = {
    scenario: way.scenario,
    what: `${share} % ours`,
    unit: 'rev/s',
    ours: figures.ours,
    ratio: 'share',
    parts: figures.parts,
  } as const;
  const one100 = way.delayMs > 0 ? 20 : 5;
  const atOnce: Partial<Record<number, number>> = way.delayMs > 0 ? {} : { 2: 3, 20: 1.5 };
  return [
    { ...row, against: 'ours by transactions', theirs: slow },
    {
      ...row,
      against: 'guarded, one after another',
      theirs: one,
      ...(share === 100 ? { goal: { atLeast: one100 } } : {}),
    },
    ...IN_FLIGHT.map((inFlight, n) => ({
      ...row,
      against: `${inFlight} small puts at once`,
      theirs: many[n]!,
      ...(atOnce[share] && inFlight === 64 ? { goal: { atLeast: atOnce[share] } } : {}),
    })),
    { ...row, against: 'make-mirror, tail', theirs: figures.theirs },
    ...costs(way, share, { cpu, cpuOfTarget }),
  ];
}

function costs(
  { scenario }: Way,
  share: number,
  { cpu, cpuOfTarget }: { cpu: Figures; cpuOfTarget: Figures },
): Row[] {
  const row = { scenario, unit: 'µs', against: 'ours by transactions', ratio: 'share' } as const;
  const of = (what: string, { ours, theirs }: Figures, atMost: number): Row => ({
    ...{ ...row, what: `${share} % ours: CPU of ${what} a revision`, ours, theirs },
    goal: { atMost },
  });
  return [of('follow', cpu, 0.25), of('the target', cpuOfTarget, 0.5)];
}

async function prepare(bench: Bench, folder: string, share: number, way: Way): Promise<Scene> {
  say(`${share} %: a backlog of ${BACKLOG} revisions`);
  const history = { keys: KEYS, revisions: BACKLOG, share };
  const mirrors = (source: Store) =>
    Promise.all(Array.from({ length: bench.runs }, () => frozenMirror(folder, source, way)));
  const waiting = await backlog(bench, folder, history, mirrors);
  return { ...waiting, share, mirrors: waiting.meanwhile };
}

/** Near there is none: it would be one process more on two cores. */
async function networkTo({ etcd, endpoint }: Store, { delayMs }: Way): Promise<Network> {
  return delayMs > 0 ? Network.to(etcd.clientPort) : Network.direct(endpoint);
}

async function frozenMirror(folder: string, source: Store, way: Way): Promise<Away<MakeMirror>> {
  const target = await Store.empty(folder);
  const network = await networkTo(target, way);
  const program = MakeMirror.start(folder, source.endpoint, network.endpoint);
  await target.untilPods(KEYS, () => {
    program.check();
  });
  program.freeze();
  return { target, network, program };
}

/** What one of our ways comes to: revisions a second, and microseconds of processor time a revision. */
interface Pass {
  rate: number;
  followUs: number;
  targetUs: number;
}

async function ours(
  scene: Scene,
  way: Way,
  by: 'proposals' | 'transactions',
  figures: Figures,
): Promise<Pass> {
  const target = await Store.restored(scene.folder, scene.base);
  const network = await networkTo(target, way);
  const peers = await peersOf(target, way);
  for (const line of [network, peers]) await line.delay(way.delayMs);
  const more = by === 'proposals' ? ['--dest-peers', peers.endpoint] : [];
  const ends = [scene.source.endpoint, network.endpoint] as const;
  const before = { cpu: cpuSeconds(target.etcd.pid) ?? 0, head: await target.head() };
  const program = Follow.start(scene.folder, scene.journal, ...ends, more);
  const { rate, readMs } = await headRate(target, scene.head, MOST_SECONDS, () => {
    program.check();
  });
  figures.part(`a read of somebody else meanwhile ms, by ${by}`, percentile(readMs, 0.5));
  const usage = await program.end();
  const revisions = (await target.head()) - before.head;
  const targetSeconds = (cpuSeconds(target.etcd.pid) ?? 0) - before.cpu;
  figures.part(`CPU of follow by ${by}, cores`, usage.cpuSeconds / usage.seconds);
  figures.part(`its anonymous memory MiB, by ${by}`, usage.anonymousMiB);
  network.end();
  peers.end();
  await target.remove();
  const each = (seconds: number) => (seconds * 1e6) / revisions;
  return { rate, followUs: each(usage.cpuSeconds - START_SECONDS), targetUs: each(targetSeconds) };
}

/** Of processor time, before a follower writes anything: Node's own start, and the modules. */
const START_SECONDS = 0.9;

async function peersOf({ etcd }: Store, { delayMs }: Way): Promise<Network> {
  return delayMs > 0
    ? Network.to(etcd.peerPort)
    : Network.direct(`http://127.0.0.1:${etcd.peerPort}`);
}

async function ceilings(
  bench: Bench,
  scene: Scene,
  way: Way,
): Promise<{ one: number; many: number[]; roundTripMs: number }> {
  const target = await Store.restored(scene.folder, scene.base);
  const network = await networkTo(target, way);
  await network.delay(way.delayMs);
  const client = target.through(network.endpoint);
  const roundTripMs = await roundTrip(client);
  const one = await sequential(client, bench.values);
  const many: number[] = [];
  for (const inFlight of IN_FLIGHT) many.push(await concurrent(client, inFlight));
  client.close();
  network.end();
  await target.remove();
  return { one, many, roundTripMs };
}

/** In source revisions: of each hundred it writes `share`. */
async function theirs(
  { share }: Scene,
  way: Way,
  { target, network, program }: Away<MakeMirror>,
  figures: Figures,
): Promise<number> {
  await network.delay(way.delayMs);
  const end = (await target.head()) + (BACKLOG * share) / 100;
  program.thaw();
  const { rate: writes } = await headRate(target, end, MOST_SECONDS, () => {
    program.check();
  });
  figures.part('key writes of make-mirror /s', writes);
  await program.end();
  network.end();
  await target.remove();
  return (writes * 100) / share;
}
