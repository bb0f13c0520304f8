/** Error codes and their exit codes, as the code has them. */
import { read, sources } from './pages.js';

/** `EXIT_DIFFERENT` and the like, wherever they are. */
const NAMED = new Map(
  sources()
    .filter((path) => path.startsWith('src/cli/'))
    .flatMap((path) => [...read(path).matchAll(/(EXIT_\w+) = (\d+)/g)])
    .map(([, name = '', code]) => [name, Number(code)]),
);

/** By disposition. */
const EXIT_OF = new Map(
  [
    ...(/const EXIT\b[^=]*= \{([^}]*)\}/.exec(read('src/cli/command.ts'))?.[1] ?? '').matchAll(
      /(\w+): (\w+)/g,
    ),
  ].map(([, name = '', code = '']) => [name, NAMED.get(code) ?? Number(code)]),
);

/** Every exit code there is, in order. */
export function exitCodes(): number[] {
  return [...new Set([0, ...EXIT_OF.values(), ...NAMED.values()])].sort((a, b) => a - b);
}

/** By error code, each exit code that it may have. */
export function exitsOfCodes(): Map<string, Set<number>> {
  const union = /type ErrorCode =([^;]+);/.exec(read('src/errors.ts'))?.[1] ?? '';
  const exits = new Map(
    [...union.matchAll(/'(\w+)'/g)].map(({ 1: code = '' }) => [code, new Set<number>()]),
  );
  for (const [code, disposition] of raised()) exits.get(code)?.add(EXIT_OF.get(disposition) ?? -1);
  // Whatever raises it, it is told by an exit code of its own (src/cli/stopping.ts).
  exits.set('OUTPUT_LOST', new Set([6]));
  return exits;
}

/** Each place that raises a code, and with which disposition. */
function raised(): [string, string][] {
  return [['BAD_ARGUMENT', 'usage'], ...sources().flatMap((path) => raisedIn(read(path)))];
}

/** From the code to the disposition that stands behind it in the same statement. */
function raisedIn(text: string): [string, string][] {
  const found: [string, string][] = [];
  for (const { 1: code = '', index } of text.matchAll(/'([A-Z]{2,}(?:_[A-Z]+)*)'/g)) {
    const rest = text.slice(index + code.length + 2).split(/'[A-Z_]{2,}'|;\n/)[0] ?? '';
    const given = /disposition: ([^,}]*)/.exec(rest)?.[1] ?? '';
    for (const [, disposition = ''] of given.matchAll(/'(\w+)'/g)) found.push([code, disposition]);
  }
  return found;
}
