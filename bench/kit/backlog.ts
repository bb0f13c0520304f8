/** A history that waits: the base below it, and the journal that has it. */
import { join } from 'node:path';
import type { Bench } from './scenario.js';
import { Follow, lockstep } from './commands.js';
import { PODS } from './data.js';
import { ports, Store } from './etcds.js';
import { Load } from './load.js';

export interface Backlog {
  folder: string;
  source: Store;
  base: string;
  journal: string;
  head: number;
}

/**
 * @param keys of the base; all writes go to these
 * @param share of the revisions that is ours, per cent
 * @param meanwhile what has to be there before the backlog is
 */
export async function backlog<T>(
  bench: Bench,
  folder: string,
  { keys, revisions, share }: { keys: number; revisions: number; share: number },
  meanwhile: (source: Store) => Promise<T>,
): Promise<Backlog & { meanwhile: T }> {
  const source = await Store.restored(folder, await bench.snapshot(keys));
  const [base, journal] = [join(folder, 'base.db'), join(folder, 'journal')];
  await lockstep(folder, [
    ...['seed', '--endpoints', source.endpoint, '--prefix', PODS],
    ...['--journal', journal, '--out', base],
  ]);
  const made = await meanwhile(source);
  await new Load(source.client, bench.values, keys).backlog(revisions, share);
  const head = await source.head();
  // Nobody listens there: it captures, and waits for the target.
  const nowhere = `http://127.0.0.1:${(await ports()).clientPort}`;
  const capture = Follow.start(folder, journal, source.endpoint, nowhere);
  await capture.until((status) => status.journalPosition >= head);
  await capture.end('SIGTERM');
  return { folder, source, base, journal, head, meanwhile: made };
}
