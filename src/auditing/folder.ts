/**
 * The folder of reports: the last of them, older ones that found differences, and a page that lists them.
 *
 * What lies there is told by the names, so a lost place loses no report. What is not called as one of ours
 * is left alone.
 */
import { readdir, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { AuditOutcome } from './outcome.js';
import type { BesideFacts } from '../report/besidefacts.js';
import { htmlOf, jsonOf } from '../report/document.js';
import { indexPage, type Filed } from './indexpage.js';
import { attempt, publish } from './publish.js';

export const INDEX = 'index.html';
const NAME = /^audit-(\d{8}T\d{9}Z)(-different)?\.(?:html|json)$/;
/** So many are kept, and so many more that found differences: two days at one an hour. */
const KEPT = 48;

/** Beside the journal, as a follower needs one. */
export function reportsOf(journal: string): string {
  return `${resolve(journal)}.audit`;
}

/** Whether a file may be shown to whoever asks for it by this name. */
export function isReport(name: string): boolean {
  return name === INDEX || NAME.test(name);
}

/**
 * Writes page and facts, and removes what is too old.
 * @param at when the audit ended
 * @returns the name of the page
 * @throws LockstepError IO
 */
export async function fileReport(folder: string, facts: BesideFacts, at: string): Promise<string> {
  const stamp = at.replaceAll(/[-:.]/g, '');
  const name = `audit-${stamp}${facts.audit.equal ? '' : '-different'}`;
  await publish(join(folder, `${name}.json`), jsonOf(facts));
  await publish(join(folder, `${name}.html`), htmlOf(facts));
  const filed = await listReports(folder);
  const ofKind = (different: boolean) => filed.filter((one) => one.different === different);
  for (const { name: old } of [...ofKind(false).slice(KEPT), ...ofKind(true).slice(KEPT)])
    await attempt('write', join(folder, old), async () => {
      for (const ending of ['html', 'json'])
        await rm(join(folder, `${old}.${ending}`), { force: true });
    });
  return `${name}.html`;
}

/**
 * Makes the list anew.
 * @throws LockstepError IO
 */
export async function fileIndex(folder: string, outcomes: readonly AuditOutcome[]): Promise<void> {
  await publish(join(folder, INDEX), indexPage(await listReports(folder), outcomes));
}

/** Newest first. */
async function listReports(folder: string): Promise<Filed[]> {
  const names = await attempt('read', folder, () => readdir(folder));
  return names
    .filter((name) => name.endsWith('.html'))
    .flatMap((name) => {
      const [, stamp, different] = NAME.exec(name) ?? [];
      if (stamp === undefined) return [];
      const at = stamp.replace(/(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\d)(\d{3}Z)/, '$1-$2-$3:$4:$5.$6');
      return [{ name: name.slice(0, -'.html'.length), at, different: different !== undefined }];
    })
    .sort((a, b) => (a.at < b.at ? 1 : -1));
}
