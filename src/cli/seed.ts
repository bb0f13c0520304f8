/** etcd-lockstep seed */
import type { Command } from 'commander';
import { seed, type SeedCount } from '../base/seed.js';
import { SOURCE_ACCESS, sourceConnection, sourceFlags } from '../config/access.js';
import { slashWarnings } from '../source/slash.js';
import { bytes, count, duration, fields } from '../status/format.js';
import { Rate } from '../status/progress.js';
import { EtcdClient } from '../wire/client.js';
import { register } from './command.js';
import { restoreCommands, restoreText } from './restore.js';

export function seedCommand(program: Command): void {
  register(program, {
    name: 'seed',
    description: 'Read prefixes from the live source into a journal and seal a base from it.',
    required: ['endpoints', 'prefix', 'journal', 'out'],
    optional: ['from', 'allowEmpty', ...SOURCE_ACCESS],
    example:
      'etcd-lockstep seed --endpoints http://10.0.0.1:2379 --prefix /registry/pods/ --journal pods.journal --out base.db',
    run: async (options, { signal, log, print, progress }) => {
      const client = new EtcdClient(await sourceConnection(options), 'source');
      const started = performance.now();
      const rate = new Rate();
      let read: SeedCount = { keys: 0, bytes: 0, remaining: undefined, seconds: 0 };
      try {
        for (const warning of await slashWarnings(client, options.prefix.list)) log.warn(warning);
        const sealed = await seed(client, {
          prefixes: options.prefix,
          journal: options.journal,
          out: options.out,
          from: options.from ?? 'range',
          allowEmpty: options.allowEmpty ?? false,
          onBase: (now) => {
            read = now;
            progress.show(() => readingLine(now, rate.per(now.bytes)));
          },
          onSeal: (rows) => {
            progress.show(() => `sealing: ${count(rows)} rows`);
          },
          onNote: (note) => {
            log.info(note);
          },
          signal,
        });
        if (sealed.keys === 0) log.warn('no key begins so: the base is empty');
        const seconds = (performance.now() - started) / 1000;
        const restore = restoreCommands(options.out);
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
              ['head revision', count(sealed.head)],
              ['compact revision', count(sealed.compactRevision)],
              ['keys', `${count(sealed.keys)}  (${count(sealed.rows)} rows with their history)`],
              ['base file', bytes(sealed.fileBytes)],
              ['checksum', sealed.checksum],
              ['read', readText(read)],
              ['in all', duration(seconds)],
            ]),
            '',
            'Start following now: it writes the changes of the source down while you restore, and waits for the target:',
            `  etcd-lockstep follow ${sourceFlags(options)} --dest-endpoints http://127.0.0.1:2379 --journal ${options.journal}`,
            restoreText(restore),
          ].join('\n'),
        );
      } finally {
        client.close();
      }
      return 0;
    },
  });
}

function readingLine({ keys, bytes: read, remaining }: SeedCount, bytesPerSecond: number): string {
  const parts = [
    `reading: ${keys > 0 ? `${count(keys)} keys, ` : ''}${bytes(read)}`,
    `${bytes(bytesPerSecond)}/s`,
  ];
  if (remaining !== undefined && keys > 0) {
    const share = keys / (keys + remaining);
    const left = (read / share - read) / Math.max(bytesPerSecond, 1);
    parts.push(`${Math.floor(share * 100)}%`, `${duration(left)} left`);
  }
  return parts.join('; ');
}

/** A resumed seed may have had nothing left to read. */
function readText({ bytes: read, seconds }: SeedCount): string {
  if (read === 0) return 'nothing new';
  return `${bytes(read)} in ${duration(seconds)} (${bytes(read / Math.max(seconds, 0.001))}/s)`;
}
