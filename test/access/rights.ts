/** The roles as docs/access.md has them: its commands are what the tests run. */
import { readFileSync } from 'node:fs';
import { ROOT } from '../rig/auth.js';
import type { Gate, SideName } from './gate.js';

const text = readFileSync(new URL('../../docs/access.md', import.meta.url), 'utf8');

type Block = SideName | `mirror ${SideName}` | 'rollback source' | 'auth';

/** The commands of a block, without `etcdctl` in front. */
export function commandsFor(block: Block): string[][] {
  const [, lines = ''] = new RegExp(`<!-- ${block} -->\n+\`\`\`sh\n([^\`]*)`).exec(text) ?? [];
  return lines.split('\n').flatMap(parse);
}

/** The users of these commands. */
export const USER = userOf('source');
export const MIRROR_USER = userOf('mirror source');

function userOf(block: Block): { user: string; password: string } {
  const added = commandsFor(block).find(([what, how]) => what === 'user' && how === 'add');
  const [user = '', password = ''] = added?.[2]?.split(':') ?? [];
  return { user, password };
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
  const auth = commandsFor('auth').map((command) =>
    command.map((arg) => arg.replace('ROOT-PASSWORD', ROOT.password)),
  );
  for (const command of [...commands, ...auth]) await gate.ctl(...command);
  gate.authOn = true;
}
