/** Output with all masked that differs from run to run, so that what a page shows can be held against it. */

/** In this order: what comes first is not looked at again. */
const MASKS: [RegExp, string][] = [
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, '<id>'],
  [/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:\d\d)/g, '<time>'],
  [/\b[0-9a-f]{13,16}\b/g, '<sum>'],
  // A target that goes may close the connection, or refuse the next one.
  [/(WARN: target \S+): .*; trying again\./g, '$1: <why>; trying again.'],
  // A follower may learn of it in any of these.
  [/ for a cutover \((fenced|switched|done)\)/g, ' for a cutover (<phase>)'],
  [/ on \S+ \(pid/g, ' on <host> (pid'],
  [/\b\d[\d,.]*( (B|KiB|MiB|GiB))\b/g, '<size>'],
  [/\b\d[\d,.]*( ?(ms|s))\b/g, '<time>'],
  [/(?<![\w-])\d+([,.]\d+)*/g, '<n>'],
];

function maskedLine(line: string): string {
  const masked = MASKS.reduce((text, [what, by]) => text.replaceAll(what, by), line);
  return masked.trim().replaceAll(/\s+/g, ' ');
}

/**
 * @param shown by a page; a line `…` stands for any number of lines, and so does the beginning of a line of
 *   the log: how many of them come depends on the machine
 * @param printed by the command
 * @returns the first part of what is shown that was not printed, as it was compared; undefined: all was
 */
export function notPrinted(shown: string, printed: string): string | undefined {
  const lines = printed.split('\n').map(maskedLine);
  let from = 0;
  for (const part of shown.split(/^ *…\n|^(?=\[\d{4}-)/m).filter((text) => text !== '')) {
    const wanted = part.trimEnd().split('\n').map(maskedLine);
    const at = lines.findIndex(
      (_, i) => i >= from && wanted.every((line, j) => lines[i + j] === line),
    );
    if (at === -1) return wanted.join('\n');
    from = at + wanted.length;
  }
  return undefined;
}
