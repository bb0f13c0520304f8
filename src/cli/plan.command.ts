/** etcd-lockstep plan */
import type { Command } from 'commander';
import {
  BOTH_ACCESS,
  PEERS,
  peersOf,
  sourceConnection,
  targetConnection,
} from '../config/access.js';
import { flagOf, type Options } from '../config/options.js';
import { refuseSame } from '../ends.js';
import { badArgument } from '../errors.js';
import { checkNewFile, writeWhole } from '../newfile.js';
import type { Part } from '../plan/parts.js';
import { makePlan, type Plan, type PlanProgress } from '../plan/plan.js';
import { Rate } from '../rate.js';
import { bytes, count, duration } from '../text.js';
import { register } from './command.js';
import { planSteps } from './plansteps.js';
import { planText } from './plantext.js';
import { splitSteps } from './splitsteps.js';
import type { Again } from './typed.js';

/** At least one check says stop. */
const EXIT_STOP = 1;

/** A password may be added to the file. */
const OWNER_ONLY = 0o600;

export function planCommand(program: Command): void {
  register(program, {
    name: 'plan',
    description:
      'Look at both sides and say what to move, how, and what is in the way. Changes nothing.',
    required: ['endpoints'],
    optional: [
      ...(['destEndpoints', 'prefix', 'split', 'sample', 'journal', 'out', 'writeConfig'] as const),
      ...PEERS,
      ...BOTH_ACCESS,
    ],
    help: {
      prefix: 'keys that are to be moved (default: those of the pods)',
      journal: 'what seed will be told, for the commands that are printed',
      out: 'what seed will be told, for the commands that are printed',
    },
    example:
      'etcd-lockstep plan --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379',
    run: async (options, { print, progress, signal }) => {
      const { destEndpoints, writeConfig } = options;
      if (writeConfig !== undefined && options.fromFile)
        throw badArgument(
          '--write-config and --config exclude each other',
          'There is a config file already; mend that one.',
        );
      refuseBesideSplit(options);
      if (writeConfig !== undefined) checkNewFile(writeConfig, '--write-config');
      const source = await sourceConnection(options);
      const target = destEndpoints && (await targetConnection({ ...options, destEndpoints }));
      if (target) refuseSame(source, target);
      const rate = new Rate();
      const plan = await makePlan({
        source,
        target,
        peers: peersOf(options),
        prefixes: options.prefix,
        split: options.split,
        sampleSeconds: options.sample,
        onProgress: (now) => {
          progress.show(() => progressLine(now, rate));
        },
        signal,
      });
      const known = writeConfig === undefined ? {} : await write(writeConfig, plan, options);
      const steps = isSplit(plan)
        ? splitSteps(plan, writeConfig)
        : planSteps(plan, { ...options, ...known });
      const stop = plan.checks.some(({ verdict }) => verdict === 'stop');
      print({ ...plan, steps, stop, config: writeConfig ?? null }, () =>
        planText(plan, steps, writeConfig),
      );
      return stop ? EXIT_STOP : 0;
    },
  });
}

/** A part's own things are said in its migration, and looked at by a plan for that one. */
const NOT_WITH_SPLIT = ['destEndpoints', 'destPeers', 'prefix', 'journal', 'out'] as const;

function refuseBesideSplit(options: Partial<Options>): void {
  const [first] = NOT_WITH_SPLIT.filter((name) => options[name] !== undefined);
  if (options.split === undefined || first === undefined) return;
  throw badArgument(
    `--split and ${flagOf(first)} exclude each other`,
    'Write a config file with --split and --write-config, fill in where each etcd is, and plan each migration: --config FILE --migration NAME.',
  );
}

function isSplit(plan: Plan): plan is Plan & { parts: Part[] } {
  return plan.parts !== null;
}

/** @returns what the commands that are printed need not be told any more */
async function write(path: string, plan: Plan, options: Again): Promise<Pick<Again, 'fromFile'>> {
  // Only here, as YAML takes a while to load.
  const { writtenConfig, writtenSplit } = await import('./writtenconfig.js');
  const { text, fromFile } = isSplit(plan)
    ? writtenSplit(path, plan, options)
    : writtenConfig(path, plan, options);
  // Planning takes a while, too.
  checkNewFile(path, '--write-config');
  writeWhole(path, text, OWNER_ONLY);
  return { fromFile };
}

function progressLine(now: PlanProgress, rate: Rate): string {
  switch (now.step) {
    case 'members':
      return 'asking every member';
    case 'folders':
      return `looking for resources: ${count(now.folders)}`;
    case 'contents':
      return `reading what is to be moved: ${count(now.keys)} keys, ${bytes(now.bytes)}, ${count(now.remaining)} left; ${bytes(rate.per(now.bytes))}/s`;
    case 'rates':
      return `watching what is written: ${count(now.events)} events; ${duration(now.secondsLeft)} left`;
  }
}
