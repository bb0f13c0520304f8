/** Damages copies of a journal's files and sorts what comes of it. */
import { fork, type ChildProcess } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Answer, Reading } from './read-child.js';

/**
 * same: as if nothing had happened; earlier: rows and position of an earlier moment, together;
 * refused: a LockstepError; crash: the process ended; other: an error that is none of ours; wrong
 * rows, wrong tally: read without a word, and not what was ever written.
 */
export type Outcome =
  'same' | 'earlier' | 'refused' | 'crash' | 'other' | 'wrong rows' | 'wrong tally';

const CHILD = fileURLToPath(new URL('read-child.ts', import.meta.url));

/** Reads journals in a process that may die of it. */
export class Reader {
  #child: ChildProcess | undefined;

  async read(directory: string): Promise<Answer | undefined> {
    const child = (this.#child ??= fork(CHILD, { execArgv: ['--import=tsx'], silent: true }));
    return new Promise((resolve) => {
      const answered = (answer: Answer) => {
        child.off('exit', died);
        resolve(answer);
      };
      const died = () => {
        child.off('message', answered);
        this.#child = undefined;
        resolve(undefined);
      };
      child.once('message', answered);
      child.once('exit', died);
      child.send(directory);
    });
  }

  end(): void {
    this.#child?.kill();
  }
}

export interface Damage {
  file: string;
  what: 'flip' | 'truncate' | 'remove';
  at: number;
}

/** Every file that holds data, flipped and cut at so many places each, and removed. */
export function damages(directory: string, places: number): Damage[] {
  const files = readdirSync(directory).filter((file) => !file.startsWith('LO'));
  return files.flatMap((file) => {
    const { size } = statSync(join(directory, file));
    const at = (i: number) => Math.floor(((i + 0.5) * size) / places);
    const each = (what: Damage['what']) =>
      Array.from({ length: places }, (_, i): Damage => ({ file, what, at: at(i) }));
    return [...each('flip'), ...each('truncate'), { file, what: 'remove', at: 0 }];
  });
}

/** Copies the journal, damages the copy, reads it. */
export async function suffer(
  reader: Reader,
  directory: string,
  damage: Damage,
  states: ReadonlyMap<number, Reading>,
): Promise<Outcome> {
  const copy = `${directory}.damaged`;
  rmSync(copy, { recursive: true, force: true });
  cpSync(directory, copy, { recursive: true });
  inflict(join(copy, damage.file), damage);
  const answer = await reader.read(copy);
  if (!answer) return 'crash';
  if ('code' in answer) return 'refused';
  if ('other' in answer) return 'other';
  const { position, rows, keys, checksum } = answer.reading;
  const state = states.get(position);
  if (state?.rows.join() !== rows.join()) return 'wrong rows';
  if (state.keys !== keys || state.checksum !== checksum) return 'wrong tally';
  return position === Math.max(...states.keys()) ? 'same' : 'earlier';
}

function inflict(path: string, { what, at }: Damage): void {
  if (what === 'remove') {
    rmSync(path);
    return;
  }
  const bytes = readFileSync(path);
  if (what === 'flip') bytes[at]! ^= 0x10;
  writeFileSync(path, what === 'truncate' ? bytes.subarray(0, at) : bytes);
}
