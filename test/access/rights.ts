/** The roles as docs/access.md has them: its commands are what the tests run. */
import { readFileSync } from 'node:fs';
import type { Gate, SideName } from './gate.js';

const text = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8');

/** The user of these commands. */
export const USER = { user: 'lockstep', password: 'PASSWORD' };

/** The commands of a block, without `etcdctl` in front. */
export function commandsFor(side: SideName | `mirror ${SideName}`): string[][] {
  const block = text.split(`<!-- ${side} -->`)[1]?.split(/\n(?=\S)/)[0] ?? '';
  return block.split('\n').flatMap(parse);
}

/** The command in the table's row that begins so. */
export function commandIf(row: string): string[] {
  const line = text.split('\n').find((l) => l.startsWith(`| ${row}`));
  const [command] = (line?.match(/`etcdctl [^`]+`/g) ?? []).flatMap((c) => parse(c.slice(1, -1)));
  if (!command) throw new Error(`docs/access.md has no row "${row}"`);
  return command;
}

function parse(line: string): string[][] {
  const [tool, ...args] = line.trim().split(/ +/);
  return tool === 'etcdctl' ? [args.map((arg) => (arg === '""' ? '' : arg))] : [];
}

/** Makes the user, and whatever else, and turns authentication on. */
export async function lock(gate: Gate, commands: readonly string[][]): Promise<void> {
  for (const command of [['user', 'add', 'root:root'], ['role', 'add', 'root'], ...commands])
    await gate.ctl(...command);
  await gate.ctl('user', 'grant-role', 'root', 'root');
  await gate.ctl('auth', 'enable');
  gate.authOn = true;
}
