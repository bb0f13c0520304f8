/**
 * Blocks as a shell reads them: bash runs them with nothing on its PATH, so that each program that they
 * call is only written down, with its arguments as it would get them.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeFolder } from '../rig/child.js';

export interface Call {
  /** The program and its arguments. */
  args: string[];
  /** Our variables, as they were exported at that moment. */
  env: Record<string, string>;
}

const NOTE = `
command_not_found_handle() {
  printf '%s\\0' "$@" >> "$CALLS"
  for name in \${!LOCKSTEP_@}; do printf '\\n%s=%s\\0' "$name" "\${!name}" >> "$CALLS"; done
  printf '\\n\\0' >> "$CALLS"
}
`;

/**
 * @param script one or several blocks of a page, as somebody pastes them into one terminal
 * @throws Error with what bash says of it
 */
export function callsIn(script: string): Call[] {
  const dir = mkdtempSync(join(tmpdir(), 'docs-'));
  const calls = join(dir, 'calls');
  writeFileSync(calls, '');
  try {
    const options = ['--noprofile', '--norc', '-c', `${NOTE}\n${script}`];
    const { status, stderr } = spawnSync('/bin/bash', options, {
      ...{ cwd: dir, encoding: 'utf8', timeout: 10_000, input: '' },
      env: { PATH: '/nonexistent', CALLS: calls },
    });
    if (status !== 0 || stderr !== '') throw new Error(`bash ends with ${status}: ${stderr}`);
    return parse(readFileSync(calls, 'utf8'));
  } finally {
    removeFolder(dir);
  }
}

function parse(noted: string): Call[] {
  return noted
    .split('\n\0')
    .slice(0, -1)
    .map((call) => {
      const words = call.split('\0').slice(0, -1);
      const variables = words.filter((word) => word.startsWith('\n')).map((word) => word.slice(1));
      return {
        args: words.filter((word) => !word.startsWith('\n')),
        env: Object.fromEntries(
          variables.map((text) => {
            const at = text.indexOf('=');
            return [text.slice(0, at), text.slice(at + 1)] as const;
          }),
        ),
      };
    });
}
