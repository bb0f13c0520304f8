/** Error codes and their exit codes, as the code has them. */
import { exitCodeOf } from '../../src/cli/command.js';
import { ERROR_CODES } from '../../src/errors.js';
import { read, sources } from './pages.js';

/** `EXIT_DIFFERENT` and the like, wherever they are. */
const NAMED = sources()
  .filter((path) => path.startsWith('src/cli/'))
  .flatMap((path) => [...read(path).matchAll(/(?:EXIT_\w+) = (\d+)/g)])
  .map(([, code]) => Number(code));

/** Every exit code there is, in order. */
export function exitCodes(): number[] {
  return [...new Set([0, ...ERROR_CODES.map(exitCodeOf), ...NAMED])].sort((a, b) => a - b);
}

/** By error code. */
export function exitsOfCodes(): Map<string, number> {
  return new Map(ERROR_CODES.map((code) => [code, exitCodeOf(code)]));
}
