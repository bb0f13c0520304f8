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
import { makePlan, type PlanProgress } from '../plan/plan.js';
import { Rate } from '../rate.js';
import { bytes, count, duration } from '../text.js';
import { register } from './command.js';
import { planSteps } from './plansteps.js';
import { planText } from './plantext.js';

/** At least one check says stop. */
const EXIT_STOP = 1;

export function planCommand(program: Command): void {
  register(program, {
    name: 'plan',
    description:
      'Look at both sides and say what to move, how, and what is in the way. Changes nothing.',
    required: ['endpoints'],
    optional: ['destEndpoints', 'prefix', 'sample', ...PEERS, ...BOTH_ACCESS],
    help: { prefix: 'keys that are to be moved (default: those of the pods)' },
    example:
      'etcd-lockstep plan --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379',
    run: async (options, { print, progress, signal }) => {
      const { destEndpoints } = options;
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
      const steps = planSteps(plan, options);
      const stop = plan.checks.some(({ verdict }) => verdict === 'stop');
      print({ ...plan, steps, stop }, () => planText(plan, steps));
      return stop ? EXIT_STOP : 0;
    },
  });
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
