/** etcd-lockstep mirror */
import type { Command } from 'commander';
import { describeKey } from '../audit/report.js';
import { BOTH_ACCESS } from '../config/access.js';
import { keyMap } from '../config/keymapoptions.js';
import type { Given } from '../config/parse.js';
import { mirrorView } from '../listen/mirrorview.js';
import type { MirrorStatus } from '../mirror/mirrorstatus.js';
import type { MirrorRequest } from '../plainmirror.js';
import { Estimate, Rate } from '../rate.js';
import { bytes, count, duration } from '../text.js';
import { HOOKS, LISTENER, register } from './command.js';
import { listening, type Showing } from './listening.js';
import { withMirror } from './opened.js';
import { lagFirst, showLive, type LiveTexts } from './showlive.js';
import { EXIT_INTERRUPTED } from './stopping.js';
import { commandAgain, flagAgain, prefixFlags, sideFlags } from './typed.js';

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
      ...(['untilSynced', ...LISTENER, ...HOOKS, ...BOTH_ACCESS] as const),
    ],
    help: {
      prefix: 'what the keys begin with that are mirrored; one (default: everything is)',
      untilSynced: 'end when the target has what the source had when both had been compared',
    },
    example:
      'etcd-lockstep mirror --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379 --prefix /registry/leases/',
    run: async (options, context) => {
      const { rev, maxTxnOps, prune = false, untilSynced = false } = options;
      const { allowEmpty = false } = options;
      const { print, json, signal } = context;
      const map = keyMap(options);
      const request: MirrorRequest = {
        ...{ maxTxnOps, prune, untilSynced, allowEmpty, signal },
        ...(rev === undefined ? {} : { rev }),
        onForeign: (name) => {
          if (json) print({ foreignKey: describeKey(name) }, () => '');
        },
      };
      let last: MirrorLine | undefined;
      const audit = compareCommand(options);
      const showing: Showing = {
        view: (facts) => mirrorView(facts, last ?? null, map.prefix, audit),
        status: () => last,
      };
      return withMirror(options, map, context, (mirror) =>
        listening(options, context, showing, async () => {
          const run = (everyMs: number) => mirror.run({ ...request, everyMs });
          const onStatus = (line: MirrorLine) => {
            last = line;
          };
          await showLive(context, run, { ...texts(), onStatus });
          return untilSynced && signal.aborted ? EXIT_INTERRUPTED : 0;
        }),
      );
    },
  });
}

type MirrorFlags = Given<
  'endpoints' | 'destEndpoints',
  'prefix' | 'destPrefix' | 'noDestPrefix' | (typeof BOTH_ACCESS)[number]
>;

/** With the keys that are mirrored. */
function compareCommand(options: MirrorFlags): string {
  const { prefix, destPrefix, noDestPrefix } = options;
  return commandAgain(
    'audit',
    options,
    '--values',
    ...[sideFlags('source', options), sideFlags('target', options)],
    ...(prefix ? [prefixFlags(prefix.list, options)] : []),
    ...(destPrefix === undefined ? [] : [flagAgain(options, 'destPrefix', destPrefix)]),
    ...(noDestPrefix && !options.fromFile?.names.has('noDestPrefix') ? ['--no-dest-prefix'] : []),
  );
}

interface MirrorLine extends MirrorStatus {
  keysPerSecond: number;
}

function texts(): Omit<LiveTexts<MirrorStatus, MirrorLine>, 'onStatus'> {
  const rate = new Rate();
  const estimate = new Estimate();
  return {
    more: ({ puts, deletions }) => ({ keysPerSecond: Math.round(rate.per(puts + deletions)) }),
    line: (now) => statusLine(now, estimate),
    summary,
  };
}

function statusLine(s: MirrorLine, estimate: Estimate): string {
  const wrote = `wrote ${count(s.puts)} keys, ${bytes(s.bytes)}`;
  const { comparing } = s;
  if (comparing) {
    const all = comparing.keys + comparing.remaining;
    const share = comparing.keys / Math.max(all, 1);
    const done = `${count(comparing.keys)} of ${count(all)} keys, ${Math.floor(100 * share)}%`;
    return [...lagFirst(s), done, ...estimate.texts(share), wrote].join('; ');
  }
  if (s.position === null) return lagFirst(s).join('; ');
  const parts = [
    `revision ${s.position} of the source`,
    `${count(s.keysPerSecond)} keys/s`,
    `${wrote}, deleted ${count(s.deletions)}`,
  ];
  return [...lagFirst(s), ...parts].join('; ');
}

function summary(s: MirrorStatus, seconds: number): string {
  const wrote = `Put ${count(s.puts)} keys (${bytes(s.bytes)}), deleted ${count(s.deletions)}, in ${count(s.transactions)} transactions and ${duration(seconds)}.`;
  const where =
    s.position === null
      ? 'Stopped before both sides had been compared.'
      : `Stopped at revision ${s.position} of the source, ${count(s.lagRevisions ?? 0)} behind its ${s.sourceHead}.`;
  return [where, wrote, 'The same command goes on from there.'].join('\n');
}
