/** Where the control socket of a journal lies, and how long that name may be. */
import { relative, resolve } from 'node:path';

/** A socket's address has room for so many bytes; what is longer would be cut off. */
const MOST_BYTES = 107;

/** Beside the journal; from here, where that is the shorter name. */
export function socketOf(journal: string): string {
  const whole = `${resolve(journal)}.sock`;
  const fromHere = relative(process.cwd(), whole);
  return fromHere.length < whole.length ? fromHere : whole;
}

/** @returns what is wrong with a path that no socket can have */
export function pathFault(path: string): string | undefined {
  const bytes = Buffer.byteLength(path);
  if (bytes <= MOST_BYTES) return undefined;
  return `its path has ${bytes} bytes, and a socket's can have ${MOST_BYTES}: use a shorter one for the journal, or run it in that folder`;
}
