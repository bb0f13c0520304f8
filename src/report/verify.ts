/**
 * Whether the file of a report is whole: as it was written, byte for byte.
 *
 *     1  there is a document in it, and its facts are what the schema of their format asks for
 *     2  its sha256 is that of the facts
 *     3  the file is what comes out when it is made of the facts anew (document.ts)
 *
 * With the third a byte that was changed anywhere is found, also where no fact stands. A page that another
 * version has made cannot be made anew here: then the facts are proven whole, and what the page shows is
 * not: so the file is not called whole. Nothing of it says who made the file.
 */
import { z } from 'zod';
import { canonical, sha256 } from './canonical.js';
import { htmlOf, jsonOf } from './document.js';
import { reportDocument, type ReportFacts } from './forms.js';
import { JSON_BEGINS, JSON_ENDS } from './frame.js';

/** What has become of a file. */
export interface Verified {
  /** Null: nothing is wrong with its facts, and what its page shows was compared with nothing. */
  whole: boolean | null;
  /** Of the facts; null where there are none. So are sha256 and version. */
  format: string | null;
  sha256: string | null;
  /** Of etcd-lockstep that made it. */
  version: string | null;
  /** What it shows to people: `same` as the facts; `not compared`, where another version has made it; null: it is JSON, or has no facts. */
  page: 'same' | 'differs' | 'not compared' | null;
  /** What is wrong, in sentences; none where it is whole. */
  faults: string[];
}

/**
 * @param file all of it
 * @param version of who looks
 */
export function verify(file: Buffer, version: string): Verified {
  const text = file.toString();
  const isPage = text.startsWith('<');
  const found = documentIn(isPage ? embedded(text) : text);
  if (typeof found === 'string') return { ...NOTHING, faults: [found] };
  const { facts } = found;
  const made = facts.made.version;
  const hash = sha256(canonical(facts));
  const same = (written: string) => file.equals(Buffer.from(written));
  const comparable = !isPage || made === version;
  const asWritten = !comparable || same(isPage ? htmlOf(facts) : jsonOf(facts));
  const faults = [
    ...(hash === found.sha256
      ? []
      : ['its facts were changed: they have another sha256 than it says']),
    ...(asWritten ? [] : ['it was changed: made of the same facts anew, it is another file']),
  ];
  const page = comparable ? (asWritten ? 'same' : 'differs') : 'not compared';
  const whole = faults.length > 0 ? false : comparable ? true : null;
  return {
    ...{ whole, format: facts.format, sha256: found.sha256, version: made },
    ...{ page: isPage ? page : null, faults },
  };
}

const NOTHING = { whole: false, format: null, sha256: null, version: null, page: null } as const;

/** The JSON that a page carries; nothing where it carries none. */
function embedded(text: string): string {
  const begin = text.indexOf(JSON_BEGINS);
  if (begin < 0) return '';
  const from = begin + JSON_BEGINS.length;
  return text.slice(from, text.indexOf(JSON_ENDS, from));
}

/** @returns the document, or what is wrong with it */
function documentIn(text: string): { sha256: string; facts: ReportFacts } | string {
  try {
    const { data, error } = reportDocument.safeParse(JSON.parse(text));
    return data ?? `it is no report that this version knows: ${firstIssue(error)}`;
  } catch (error) {
    if (error instanceof SyntaxError) return 'it is no report: there is no JSON document in it';
    throw error;
  }
}

/** Where the trouble is, and not what stands there. */
function firstIssue({ issues }: z.ZodError): string {
  const [issue] = issues;
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`;
}
