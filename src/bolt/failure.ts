/** The two ways in which a bbolt file fails: what it says is wrong, or it cannot be read or written. */
import { isSystemError, LockstepError } from '../errors.js';

/**
 * The error for a file that is no sound bbolt database.
 * @param page a page number, or words where the page has none
 */
export function damaged(page: number | string, what: string): LockstepError {
  return new LockstepError('BOLT_DAMAGED', `page ${page}: ${what}`, {
    hint: 'The file is damaged, cut short or no bbolt database. Take it again from where it came.',
  });
}

/**
 * Runs a file system call.
 * @param doing verb for the message, as in "cannot open /a/b: …"
 * @throws LockstepError IO for what the system says
 */
export function attempt<T>(
  doing: 'open' | 'create' | 'read' | 'write',
  path: string,
  call: () => T,
): T {
  try {
    return call();
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new LockstepError('IO', `cannot ${doing} ${path}: ${cause.message}`, {
      hint: 'Check the path, its permissions and the free space of the disk.',
      cause,
    });
  }
}
