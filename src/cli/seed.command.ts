/** etcd-lockstep seed */
import type { Command } from 'commander';
import { seed, type SeedCount } from '../base/seed.js';
import { SOURCE_ACCESS, sourceConnection } from '../config/access.js';
import type { Given } from '../config/parse.js';
import { seedView, type SeedStanding } from '../listen/seedview.js';
import { Estimate, Rate } from '../rate.js';
import { slashWarnings } from '../source/slash.js';
import { bytes, count, duration, fields } from '../text.js';
import { EtcdClient } from '../wire/client.js';
import { HOOKS, LISTENER, register, type Context } from './command.js';
import { collectLessOften } from './garbage.js';
import { listening, type Showing } from './listening.js';
import { HERE, restoreCommands, restoreText } from './restore.js';
import { commandAgain, flagAgain, sideFlags } from './typed.js';

export function seedCommand(program: Command): void {
  register(program, {
    name: 'seed',
    description:
      'Read prefixes from the live source, or from a snapshot file of it, into a journal and seal a base from it.',
    required: ['endpoints', 'prefix', 'journal', 'out'],
    optional: ['from', 'allowEmpty', 'destEndpoints', ...LISTENER, ...HOOKS, ...SOURCE_ACCESS],
    help: {
      destEndpoints:
        'where the target will be, one URL for each member: for the commands that are printed',
      journal:
        'directory of the journal: made, or gone on with; needs the room of the prefixes and of their changes',
    },
    example:
      'etcd-lockstep seed --endpoints http://10.0.0.1:2379 --prefix /registry/pods/ --journal pods.journal --out base.db',
    run: (options, context) => {
      collectLessOften();
      const standing: SeedStanding = {
        ...{ prefixes: options.prefix.list, read: undefined, sealed: undefined },
        file: typeof options.from === 'object' ? options.from.file : undefined,
      };
      const showing: Showing = {
        view: (facts) => seedView(facts, standing, followCommand(options)),
        status: () => undefined,
      };
      return listening(options, context, showing, async () => {
        const client = new EtcdClient(await sourceConnection(options), 'source');
        try {
          await seedFrom(client.closeAt(context.signal), options, standing, context);
          return 0;
        } finally {
          client.close();
        }
      });
    },
  });
}

type SeedFlags = Given<
  'endpoints' | 'prefix' | 'journal' | 'out',
  'from' | 'allowEmpty' | 'destEndpoints' | (typeof SOURCE_ACCESS)[number]
>;

/** @param standing is kept as it goes on */
async function seedFrom(
  client: EtcdClient,
  options: SeedFlags,
  standing: SeedStanding,
  { signal, log, note, print, progress }: Context,
): Promise<void> {
  const started = performance.now();
  const rate = new Rate();
  const estimate = new Estimate();
  for (const warning of await slashWarnings(client, options.prefix.list)) log.warn(warning);
  const sealed = await seed(client, {
    prefixes: options.prefix,
    journal: options.journal,
    out: options.out,
    from: options.from,
    allowEmpty: options.allowEmpty ?? false,
    onBase: (now) => {
      standing.read = now;
      progress.show(() => readingLine(now, rate.per(now.bytes), estimate));
    },
    onCheck: (share) => {
      standing.checked = share;
      progress.show(() => `checking the file: ${Math.floor(share * 100)}%`);
    },
    onSeal: (rows) => {
      standing.sealed = rows;
      progress.show(() => `sealing: ${count(rows)} rows`);
    },
    onNote: note,
    signal,
  });
  if (sealed.keys === 0) log.warn('no key begins so: the base is empty');
  const seconds = (performance.now() - started) / 1000;
  const read = standing.read ?? NOTHING_READ;
  const target = options.destEndpoints ?? HERE;
  const restore = restoreCommands(options.out, options.prefix.list, target);
  const result = {
    ...sealed,
    read: { keys: read.keys, bytes: read.bytes, seconds: read.seconds },
    seconds,
    restore,
  };
  print(result, () =>
    [
      `Sealed ${sealed.out}`,
      fields([
        ['head revision', String(sealed.head)],
        ['compact revision', String(sealed.compactRevision)],
        ['keys', `${count(sealed.keys)}  (${count(sealed.rows)} rows with their history)`],
        ['base file', bytes(sealed.fileBytes)],
        ['checksum', sealed.checksum],
        ['read', readText(read)],
        ['in all', duration(seconds)],
      ]),
      '',
      'Start following now: it writes the changes of the source down while you restore, and waits for the target:',
      `  ${followCommand(options)}`,
      restoreText(restore, options.destEndpoints),
    ].join('\n'),
  );
}

const NOTHING_READ: SeedCount = { keys: 0, bytes: 0, remaining: undefined, seconds: 0, watched: 0 };

function followCommand(options: SeedFlags): string {
  const target = options.destEndpoints ?? HERE;
  return commandAgain(
    'follow',
    options,
    sideFlags('source', options),
    flagAgain(options, 'destEndpoints', target.join(',')),
    flagAgain(options, 'journal', options.journal),
  );
}

/** Keys that are left as they are come by pages, the others and all history by the watch beside. */
function readingLine(
  { keys, bytes: read, remaining, watched, bridged }: SeedCount,
  bytesPerSecond: number,
  estimate: Estimate,
): string {
  if (bridged !== undefined) return `bridging the gap: ${count(bridged)} keys read`;
  const paged = remaining === undefined ? undefined : keys / Math.max(keys + remaining, 1);
  const percent = (share: number) => `${Math.floor(share * 100)}%`;
  return [
    `reading: ${bytes(read)}, ${bytes(bytesPerSecond)}/s`,
    ...(paged === undefined ? [] : [`${count(keys)} keys, ${percent(paged)}`]),
    `watch at ${percent(watched)}`,
    ...(paged === undefined ? [] : estimate.texts(Math.min(paged, watched))),
  ].join('; ');
}

/** A resumed seed may have had nothing left to read. */
function readText({ bytes: read, seconds }: SeedCount): string {
  if (read === 0) return 'nothing new';
  return `${bytes(read)} in ${duration(seconds)} (${bytes(read / Math.max(seconds, 0.001))}/s)`;
}
