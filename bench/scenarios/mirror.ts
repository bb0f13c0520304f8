/**
 * `etcd-lockstep mirror` against make-mirror: the base sync into an empty etcd, and the tail on a
 * backlog of pods that waits on the source while both are stopped.
 */
import { MakeMirror, Mirror, mirrorIsBuilt, type Running } from '../kit/commands.js';
import { podKey } from '../kit/data.js';
import { Store } from '../kit/etcds.js';
import { Load, put } from '../kit/load.js';
import { inFolder, say } from '../kit/place.js';
import { Figures, type Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';

/** make-mirror needs minutes for more. */
const MOST_KEYS = 100_000;
const TAIL_KEYS = 2000;
const BACKLOG = 10_000;

export async function mirrorScenario(bench: Bench): Promise<Row[]> {
  if (!mirrorIsBuilt()) {
    say('not built: etcd-lockstep has no command mirror');
    return [];
  }
  const rows: Row[] = [];
  for (const keys of bench.sizes.filter((size) => size <= MOST_KEYS))
    rows.push(await baseSync(bench, keys));
  return [...rows, await tail(bench)];
}

async function baseSync(bench: Bench, keys: number): Promise<Row> {
  const source = await bench.source(keys);
  const figures = new Figures();
  for (let i = 0; i < bench.runs; i++) {
    figures.ours.push(await timed(Mirror, source, keys));
    figures.theirs.push(await timed(MakeMirror, source, keys));
  }
  return {
    scenario: 'mirror',
    what: `base sync, ${keysText(keys)}`,
    unit: 's',
    ours: figures.ours,
    against: 'make-mirror',
    theirs: figures.theirs,
    ratio: 'faster',
  };
}

interface Program {
  start(folder: string, source: string, target: string): Running;
}

async function timed(program: Program, source: Store, keys: number): Promise<number> {
  return inFolder(async (folder) => {
    const target = await Store.empty(folder);
    const started = performance.now();
    const running = program.start(folder, source.endpoint, target.endpoint);
    await target.untilPods(keys, () => {
      running.check();
    });
    const seconds = (performance.now() - started) / 1000;
    await running.end();
    await target.remove();
    return seconds;
  });
}

async function tail(bench: Bench): Promise<Row> {
  const figures = new Figures();
  for (let i = 0; i < bench.runs; i++) {
    figures.ours.push(await tailRate(bench, Mirror));
    figures.theirs.push(await tailRate(bench, MakeMirror));
  }
  return {
    scenario: 'mirror',
    what: 'tail, revisions of the source',
    unit: 'rev/s',
    ours: figures.ours,
    against: 'make-mirror',
    theirs: figures.theirs,
    ratio: 'share',
  };
}

/**
 * Each has a source of its own: a backlog can be written once. The tail has arrived when a pod that
 * is made last is there; a target's head says nothing, as revisions may be put together.
 */
async function tailRate(bench: Bench, program: Program): Promise<number> {
  return inFolder(async (folder) => {
    const source = await Store.restored(folder, await bench.snapshot(TAIL_KEYS));
    const target = await Store.empty(folder);
    const running = program.start(folder, source.endpoint, target.endpoint);
    const check = () => {
      running.check();
    };
    await target.untilPods(TAIL_KEYS, check);
    running.freeze();
    await new Load(source.client, bench.values, TAIL_KEYS).backlog(BACKLOG, 100);
    await put(source.client, podKey(TAIL_KEYS), bench.values.value(TAIL_KEYS));
    const started = performance.now();
    running.thaw();
    await target.untilPods(TAIL_KEYS + 1, check);
    const seconds = (performance.now() - started) / 1000;
    await running.end();
    await Promise.all([source.remove(), target.remove()]);
    return BACKLOG / seconds;
  });
}
