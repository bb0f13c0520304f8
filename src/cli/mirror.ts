/** etcd-lockstep mirror */
import type { Command } from 'commander';
import { describeKey } from '../audit/report.js';
import { BOTH_ACCESS } from '../config/access.js';
import { keyMap } from '../config/keymap.js';
import { MAX_TXN_OPS } from '../lockstep/txn.js';
import { Mirror } from '../mirror/mirror.js';
import type { MirrorStatus } from '../mirror/status.js';
import { slashWarnings } from '../source/slash.js';
import { bytes, count, duration } from '../status/format.js';
import { Rate } from '../status/progress.js';
import { register, type Context } from './command.js';
import { showLive } from './live.js';
import { withSides, type Sides } from './sides.js';
import { EXIT_INTERRUPTED } from './stopping.js';

export function mirrorCommand(program: Command): void {
  register(program, {
    name: 'mirror',
    description:
      'Mirror keys into any live target: values, leases and deletions, but not revisions.',
    required: ['endpoints', 'destEndpoints'],
    optional: [
      ...([
        'prefix',
        'destPrefix',
        'noDestPrefix',
        'rev',
        'maxTxnOps',
        'prune',
        'allowEmpty',
      ] as const),
      ...(['untilSynced', ...BOTH_ACCESS] as const),
    ],
    example:
      'etcd-lockstep mirror --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --prefix /registry/leases/',
    run: async (options, context) => {
      const { rev, maxTxnOps = MAX_TXN_OPS, prune = false, untilSynced = false } = options;
      const { allowEmpty = false } = options;
      const { log, print, json, signal } = context;
      const map = keyMap(options);
      const use = async (sides: Sides) => {
        for (const asked of [sides.source, sides.sourceWatch]) asked.closeAt(signal);
        const named = map.prefix === '' ? [] : [map.prefix];
        for (const warning of await slashWarnings(sides.source, named)) log.warn(warning);
        const mirror = new Mirror({
          ...sides,
          ...{ map, maxTxnOps, prune, untilSynced, allowEmpty, signal },
          ...(rev === undefined ? {} : { rev }),
          onForeign: (name) => {
            if (json) print({ foreignKey: describeKey(name) }, () => '');
          },
          onNote: (note, warn = false) => {
            if (warn) log.warn(note);
            else log.info(note);
          },
        });
        await show(mirror, context);
        return untilSynced && signal.aborted ? EXIT_INTERRUPTED : 0;
      };
      return withSides(options, use, true);
    },
  });
}

interface Line extends MirrorStatus {
  keysPerSecond: number;
}

/** Runs the mirror with a status line, or one JSON object a second. */
async function show(mirror: Mirror, context: Context): Promise<void> {
  const rate = new Rate();
  const comparing = new Rate();
  const status = (): Line => {
    const now = mirror.status;
    return { ...now, keysPerSecond: Math.round(rate.per(now.puts + now.deletions)) };
  };
  const line = (now: Line) => statusLine(now, comparing.per(now.comparing?.keys ?? 0));
  await showLive(context, { status, line, summary }, () => mirror.run());
}

function statusLine(s: Line, comparedPerSecond: number): string {
  const why = s.trouble ? ` (${s.trouble.code})` : '';
  const wrote = `wrote ${count(s.puts)} keys, ${bytes(s.bytes)}`;
  if (s.comparing) {
    const { keys, remaining } = s.comparing;
    const share = Math.floor((100 * keys) / Math.max(keys + remaining, 1));
    const left = comparedPerSecond > 0 ? `; ${duration(remaining / comparedPerSecond)} left` : '';
    return `${s.state}${why}; ${count(keys)} of ${count(keys + remaining)} keys, ${share}%; ${wrote}${left}`;
  }
  if (s.position === null) return `${s.state}${why}`;
  return `${s.state}${why}; revision ${count(s.position)} of the source; lag ${count(s.lagRevisions ?? 0)} rev, ${duration(s.lagSeconds ?? 0)}; ${count(s.keysPerSecond)} keys/s; ${wrote}, deleted ${count(s.deletions)}`;
}

function summary(s: MirrorStatus, seconds: number): string {
  const wrote = `Put ${count(s.puts)} keys (${bytes(s.bytes)}), deleted ${count(s.deletions)}, in ${count(s.transactions)} transactions and ${duration(seconds)}.`;
  const where =
    s.position === null
      ? 'Stopped before both sides had been compared.'
      : `Stopped at revision ${count(s.position)} of the source, ${count(s.lagRevisions ?? 0)} behind its ${count(s.sourceHead)}.`;
  return [where, wrote, 'The same command goes on from there.'].join('\n');
}
