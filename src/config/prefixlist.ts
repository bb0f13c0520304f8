/**
 * Prefixes as they are typed: with commas between them, like every other list.
 *
 * A key may have any byte in it, a comma too. So `\,` stands for a comma and `\\` for a backslash; a
 * backslash before anything else is itself.
 */

/** A comma with an even number of backslashes before it. */
const COMMA = /(?<=(?<!\\)(?:\\\\)*),/;

/** `/a/,/b\,c/` is `/a/` and `/b,c/`. Blanks beside a comma do not count. */
export function splitPrefixes(text: string): string[] {
  const parts = text.split(COMMA);
  const list = parts.length > 1 ? parts.map((part) => part.trim()) : parts;
  return list.map((part) => part.replaceAll(/\\([\\,])/g, '$1'));
}

/** A prefix as it has to be typed to stand for itself. */
export function quotePrefix(prefix: string): string {
  return prefix.replaceAll(/[\\,]/g, String.raw`\$&`);
}

/**
 * Node puts U+FFFD in place of what is not UTF-8 on the command line; the keys that begin with that
 * are not those that were meant.
 */
export function isMisread(prefix: string): boolean {
  return prefix.includes('\ufffd');
}
