/**
 * Opens journals that it is told about and says all that they hold. A process of its own, because
 * LevelDB answers some damage with an assertion that ends the process.
 */
import { LockstepError } from '../../src/errors.js';
import { Journal } from '../../src/journal/journal.js';
import { readRows } from './rows.js';

export interface Reading {
  position: number;
  rows: string[];
  keys: number;
  checksum: string;
}
export type Answer = { reading: Reading } | { code: string } | { other: string };

async function read(directory: string): Promise<Answer> {
  let journal: Journal | undefined;
  try {
    journal = await Journal.open(directory);
    const { position } = journal;
    const rows = await readRows(journal.everything());
    const { keys, hex } = await journal.tally(position);
    return { reading: { position, rows, keys, checksum: hex } };
  } catch (error) {
    return error instanceof LockstepError ? { code: error.code } : { other: String(error) };
  } finally {
    await journal?.close();
  }
}

process.on('message', (directory: string) => {
  void read(directory).then((answer) => process.send?.(answer));
});
