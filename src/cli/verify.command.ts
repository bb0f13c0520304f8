/** etcd-lockstep audit verify */
import type { Command } from 'commander';
import { readFileSync, statSync } from 'node:fs';
import { isSystemError, LockstepError } from '../errors.js';
import { ownVersion } from '../ownversion.js';
import { verify, type Verified } from '../report/verify.js';
import { bytes } from '../text.js';
import { EXIT_DIFFERENT, register } from './command.js';

/** No report is near that (src/report/found.ts). */
const MAX_BYTES = 256 * 1024 * 1024;

export function verifyCommand(audit: Command): void {
  register(audit, {
    name: 'verify',
    description: 'Whether the file of a report is whole: its facts, and the page that shows them.',
    argument: ['file', 'a report: FILE.html or FILE.json'],
    required: [],
    optional: [],
    example: 'etcd-lockstep audit verify audit.html',
    run: (_options, { print }, file) => {
      const verified = verify(read(file), ownVersion());
      print({ verify: { file, ...verified } }, () => verifiedText(file, verified));
      return Promise.resolve(verified.whole ? 0 : EXIT_DIFFERENT);
    },
  });
}

/** @throws LockstepError BAD_PATH */
function read(path: string): Buffer {
  try {
    const { size } = statSync(path);
    if (size > MAX_BYTES)
      throw badPath(`${path} is no report: it has ${bytes(size)}`, 'Give the right file.');
    return readFileSync(path);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw badPath(`cannot read ${path}: ${cause.message}`, 'Give a report that is there.', cause);
  }
}

function badPath(message: string, hint: string, cause?: unknown): LockstepError {
  return new LockstepError('BAD_PATH', message, { hint, cause });
}

/** For people; docs/report.md shows it. */
export function verifiedText(file: string, { whole, faults, ...of }: Verified): string {
  if (whole === false)
    return [`NOT WHOLE: ${file}`, ...faults.map((fault) => `  ${fault}`)].join('\n');
  return [
    whole ? `WHOLE: ${file}` : `FACTS WHOLE, PAGE NOT COMPARED: ${file}`,
    `  ${of.format ?? ''}, made by etcd-lockstep ${of.version ?? ''}`,
    `  sha256 of the facts: ${of.sha256 ?? ''}`,
    ...(of.page === 'same' ? ['  what the page shows are these facts'] : []),
    ...(of.page === 'not compared'
      ? [
          `  what the page shows can be compared by etcd-lockstep ${of.version ?? ''} alone, which has made it: use that one, or the JSON`,
        ]
      : []),
    '  (that says nothing of who made it: that is what a signature is for)',
  ].join('\n');
}
