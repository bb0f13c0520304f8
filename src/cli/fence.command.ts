/** etcd-lockstep fence: for those who freeze and switch by means of their own */
import type { Command } from 'commander';
import { BOTH_ACCESS, PEERS, peersOf } from '../config/access.js';
import type { FenceReport } from '../cutover/fencealone.js';
import type { NightEvent } from '../cutover/nightevents.js';
import { count, fields } from '../text.js';
import { FOLLOWERS, HOOKS, LISTENER, register, type Context } from './command.js';
import { askGo, needsGo } from './go.js';
import type { Given } from '../config/parse.js';
import type { FenceRequest } from '../migration.js';
import { withMigration } from './opened.js';
import { SeenNight } from './seennight.js';

const CONDUCT = ['margin', 'quiet', 'maxFreeze', 'once', 'yes'] as const;
type FenceFlags = Given<never, (typeof CONDUCT)[number] | (typeof PEERS)[number]>;

export function fenceCommand(program: Command): void {
  register(program, {
    name: 'fence',
    description:
      "Take a drained target over from its follower, and keep its head above the source's until a signal.",
    required: ['endpoints', 'destEndpoints'],
    optional: [...CONDUCT, ...PEERS, ...LISTENER, ...HOOKS, ...BOTH_ACCESS],
    notFromFile: FOLLOWERS,
    help: { maxFreeze: 'end, with nothing changed, if the target is not found equal by then' },
    example:
      'etcd-lockstep fence --endpoints http://10.0.0.1:2379 --dest-endpoints http://10.0.1.1:2379',
    run: async (options, context) => {
      needsGo(options.yes);
      const seen = new SeenNight('fence', options, context);
      return withMigration(options, context, async (migration) => {
        await seen.run(migration, [], async () => {
          await migration.fence(fenceRequest(options, context, seen));
          return { kind: 'fence' };
        });
        return 0;
      });
    },
  });
}

function fenceRequest(options: FenceFlags, context: Context, seen: SeenNight): FenceRequest {
  const { signal, mustGoOn, progress, print, json, log } = context;
  return {
    signal,
    margin: options.margin,
    quietMs: options.quiet * 1000,
    maxFreezeSeconds: options.maxFreeze,
    once: options.once ?? false,
    peers: peersOf(options),
    go: () =>
      askGo(
        'The target is taken over from its follower once the source is quiet under the prefixes; it is in lockstep no more from then on. Writes must be frozen already.',
        [],
        options.yes,
        { log, signal },
      ),
    onMustGoOn: mustGoOn,
    onRaised: (report) => {
      seen.log.raised(report);
      print({ fence: report }, () => reportText(report));
    },
    onEvent: seen.hearing((event) => {
      if (event.kind === 'alarm') log.error(`ALARM: ${event.alarm}`);
      if (event.kind === 'heads' && !json) progress.show(() => headsText(event));
    }),
  };
}

function headsText({ heads: { source, target }, ahead }: NightEvent & { kind: 'heads' }): string {
  return `fence: source ${source}, target ${target}, ${count(ahead)} ahead`;
}

function reportText({ exact, heads, keys, checksum }: FenceReport): string {
  return [
    'FENCED',
    fields([
      ['exact copy up to', `revision ${exact}`],
      ['keys', count(keys)],
      ['checksum', checksum],
      ['heads', `source ${heads.source}, target ${heads.target}`],
    ]),
  ].join('\n');
}
