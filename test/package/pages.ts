/** The programs that docs/library.md shows: fenced blocks that begin with ```ts NAME.ts. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './installed.js';

/** By name. */
export function shownPrograms(): Map<string, string> {
  const page = readFileSync(join(ROOT, 'docs/library.md'), 'utf8');
  const blocks = [...page.matchAll(/^```ts(?: (\S+))?\n(.*?)^```$/gms)];
  return new Map(
    blocks.map(([, name, text = '']) => {
      if (name === undefined) throw new Error(`a program of docs/library.md has no name:\n${text}`);
      return [name, text];
    }),
  );
}
