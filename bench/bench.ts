/**
 * make bench: our tool and what one would take instead, side by side on the same data.
 *
 *     make bench                                  everything, an hour
 *     make bench ONLY=seed,audit SIZES=10000 RUNS=3
 *     FSYNC=0 make bench                          etcds without fsync, as the tests have them
 *
 * In each run ours and theirs take turns, and a ratio is formed of neighbours. Results go to
 * .cache/bench/results.json, where a scenario that runs again replaces its own rows only.
 */
import { duration } from '../src/text.js';
import { binaries } from '../test/rig/binaries.js';
import { fsync } from './kit/etcds.js';
import { commit, keep, machine, markdown } from './kit/report.js';
import { reached, type Row } from './kit/result.js';
import { Bench, type Scenario } from './kit/scenario.js';
import { busyCores, QUIET_CORES } from './kit/usage.js';
import { auditScenario } from './scenarios/audit.js';
import { burdenScenario } from './scenarios/burden.js';
import { cropScenario } from './scenarios/crop.js';
import { backScenario } from './scenarios/back.js';
import { cutoverScenario } from './scenarios/cutover.js';
import { farScenario, followScenario } from './scenarios/follow.js';
import { lagScenario } from './scenarios/lag.js';
import { learnerScenario } from './scenarios/learner.js';
import { memoryScenario } from './scenarios/memory.js';
import { millionScenario } from './scenarios/million.js';
import { mirrorScenario } from './scenarios/mirror.js';
import { seedScenario } from './scenarios/seed.js';
import { threeScenario } from './scenarios/three.js';
import { watchedScenario } from './scenarios/watched.js';

const SCENARIOS: Record<string, Scenario> = {
  seed: seedScenario,
  burden: burdenScenario,
  crop: cropScenario,
  follow: followScenario,
  far: farScenario,
  three: threeScenario,
  lag: lagScenario,
  audit: auditScenario,
  memory: memoryScenario,
  million: millionScenario,
  mirror: mirrorScenario,
  cutover: cutoverScenario,
  back: backScenario,
  learner: learnerScenario,
  watched: watchedScenario,
};

const list = (name: string): string[] | undefined => process.env[name]?.split(',').filter(Boolean);

const only = list('ONLY') ?? Object.keys(SCENARIOS);
const sizes = (list('SIZES') ?? ['10000', '100000', '500000']).map(Number);
const runs = Number(process.env['RUNS'] ?? 3);

const unknown = only.find((name) => !(name in SCENARIOS));
if (unknown !== undefined)
  throw new Error(`no scenario ${unknown}; there are ${Object.keys(SCENARIOS).join(', ')}`);

process.stdout.write(
  `etcd ${binaries().version}, ${fsync ? 'with' : 'WITHOUT'} fsync; ${machine()}\n`,
);
const missed: Row[] = [];
await Bench.with(sizes, runs, async (bench) => {
  for (const name of only) {
    process.stdout.write(`\n## ${name}\n\n`);
    const started = performance.now();
    const othersCores = await busyCores();
    if (othersCores > QUIET_CORES)
      process.stderr.write(`  the machine is busy: ${othersCores.toFixed(1)} cores\n`);
    const rows = await SCENARIOS[name]!(bench);
    const at = new Date().toISOString();
    keep(
      rows.map((row) => ({ ...row, commit: commit(), at, fsync, othersCores })),
      Object.keys(SCENARIOS),
    );
    process.stdout.write(`${markdown(rows)}\n`);
    process.stderr.write(`  took ${duration((performance.now() - started) / 1000)}\n`);
    missed.push(...rows.filter((row) => reached(row) === false));
  }
});
for (const row of missed)
  process.stdout.write(`\nMISSED: ${row.scenario}, ${row.what}, against ${row.against}\n`);
