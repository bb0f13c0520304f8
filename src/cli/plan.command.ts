/** etcd-lockstep plan */
import type { Command } from 'commander';
import {
  BOTH_ACCESS,
  PEERS,
  peersOf,
  sourceConnection,
  targetConnection,
} from '../config/access.js';
import { refuseSame } from '../ends.js';
import { badArgument } from '../errors.js';
import { checkNewFile, writeWhole } from '../newfile.js';
import { makePlan, type Plan, type PlanProgress } from '../plan/plan.js';
import { Rate } from '../rate.js';
import { bytes, count, duration } from '../text.js';
import { register } from './command.js';
import { planSteps } from './plansteps.js';
import { planText } from './plantext.js';
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
      ...(['destEndpoints', 'prefix', 'sample', 'journal', 'out', 'writeConfig'] as const),
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
        sampleSeconds: options.sample,
        onProgress: (now) => {
          progress.show(() => progressLine(now, rate));
        },
        signal,
      });
      const known = writeConfig === undefined ? {} : await write(writeConfig, plan, options);
      const steps = planSteps(plan, { ...options, ...known });
      const stop = plan.checks.some(({ verdict }) => verdict === 'stop');
      print({ ...plan, steps, stop, config: writeConfig ?? null }, () =>
        planText(plan, steps, writeConfig),
      );
      return stop ? EXIT_STOP : 0;
    },
  });
}

/** @returns what the commands that are printed need not be told any more */
async function write(path: string, plan: Plan, options: Again): Promise<Pick<Again, 'fromFile'>> {
  // Only here, as YAML takes a while to load.
  const { writtenConfig } = await import('./writtenconfig.js');
  const { text, fromFile } = writtenConfig(path, plan, options);
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
