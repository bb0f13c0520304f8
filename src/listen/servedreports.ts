/** The reports of a follower's audits, and the page that lists them, as files that may be read. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { INDEX, isReport } from '../auditing/folder.js';
import { isSystemError } from '../errors.js';

/** A report has style and script inside, and says itself, by their hashes, which: so it may have some. */
const POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

interface ServedReport {
  type: string;
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * @param name of the file; empty: the page that lists them
 * @returns undefined for what is no report, or is not there
 */
export async function readReport(folder: string, name: string): Promise<ServedReport | undefined> {
  const file = name === '' ? INDEX : name;
  if (!isReport(file)) return undefined;
  try {
    return {
      type: file.endsWith('.html') ? 'text/html; charset=utf-8' : 'application/json',
      headers: { 'content-security-policy': POLICY },
      body: await readFile(join(folder, file)),
    };
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
