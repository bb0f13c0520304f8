/** The folder of reports: bounded, those with differences longer, and what is not ours left alone. */
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { factsOf } from '../../src/auditing/facts.js';
import { fileIndex, fileReport, isReport } from '../../src/auditing/folder.js';
import { atTheBeginning } from '../../src/auditing/progress.js';
import { readReport } from '../../src/listen/servedreports.js';
import type { AuditOutcome } from '../../src/auditing/outcome.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { ownVersion } from '../../src/ownversion.js';
import { verify } from '../../src/report/verify.js';
import { removeFolder } from '../rig/child.js';

const cluster = {
  ...{ cluster: 'a1', version: '3.5.16', head: 9, members: [] },
  membersUnknown: 'this user may not ask for them',
};

function outcomeAt(ms: number, result: AuditOutcome['result'] = 'equal'): AuditOutcome {
  const at = new Date(ms).toISOString();
  return {
    at,
    result,
    revision: 9,
    keys: 1,
    differences: 0,
    seconds: 1,
    file: null,
    message: null,
  };
}

function facts(outcome: AuditOutcome) {
  const from = Buffer.from('/registry/pods/').toString('base64');
  const odd = Buffer.from('/registry/pods/\xff', 'latin1').toString('base64');
  const ranges = [
    { from, revision: 7 },
    { from: odd, revision: 9 },
  ];
  return factsOf(
    outcome,
    { ...atTheBeginning(), ranges },
    {
      prefixes: PrefixSet.of(['/registry/pods/']),
      bytesPerSecond: 1024,
      calledAs: { command: 'etcd-lockstep follow', environment: [] },
      clusters: { source: cluster, target: cluster },
    },
  );
}

describe('the folder of reports', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'reports-'));
  });
  afterEach(() => {
    removeFolder(folder);
  });

  it('keeps the last 48, and 48 that found differences; the page lists each', async () => {
    writeFileSync(join(folder, 'mine.html'), 'not yours');
    // As if 60 of each kind had been filed before; of these nothing but their names is known.
    for (let i = 10; i < 70; i++)
      for (const name of [`audit-2025${i}01T000000000Z`, `audit-2025${i}01T120000000Z-different`])
        for (const ending of ['html', 'json']) writeFileSync(join(folder, `${name}.${ending}`), '');
    const outcomes = [
      outcomeAt(Date.UTC(2026, 2, 1, 0, 59, 30), 'different'),
      outcomeAt(Date.UTC(2026, 2, 1, 0, 59)),
    ];
    for (const outcome of outcomes)
      outcome.file = await fileReport(folder, facts(outcome), outcome.at);
    outcomes.unshift({ ...outcomeAt(Date.UTC(2026, 2, 2), 'failed'), message: 'a <b> is away' });
    await fileIndex(folder, outcomes);
    const names = readdirSync(folder);
    expect(names.filter((name) => name.endsWith('-different.html'))).to.have.lengthOf(48);
    expect(names).to.have.lengthOf(2 * 2 * 48 + 2);
    expect(names).to.include('mine.html').and.not.include('audit-20251001T000000000Z.html');

    const index = readFileSync(join(folder, 'index.html'), 'utf8');
    const [, style = ''] = /<style>([^]*)<\/style>/.exec(index) ?? [];
    expect(index).to.contain(`'sha256-${createHash('sha256').update(style).digest('base64')}'`);
    expect(index.match(/>report<\/a>/g)).to.have.lengthOf(96);
    expect(index).to.contain('FAILED').and.to.contain('a &lt;b&gt; is away');
    const [newest = ''] = /audit-\d{8}T\d{9}Z[^.]*\.html/.exec(index) ?? [];
    expect(newest).to.equal('audit-20260301T005930000Z-different.html');
    expect(verify(readFileSync(join(folder, newest)), ownVersion())).to.include({ whole: true });
  });

  it('is served by the names that it gives, and by no others', async () => {
    const outcome = outcomeAt(Date.UTC(2026, 2, 1));
    const file = await fileReport(folder, facts(outcome), outcome.at);
    await fileIndex(folder, [outcome]);
    writeFileSync(join(folder, 'place.json'), '{}');
    for (const name of ['', 'index.html', file, file.replace('html', 'json')]) {
      const served = await readReport(folder, name);
      expect(served?.headers['content-security-policy'], name).to.contain("default-src 'none'");
      expect(served?.type).to.match(name.endsWith('json') ? /^application\/json/ : /^text\/html/);
    }
    const others = ['place.json', '../reports/index.html', `../${file}`, 'audit-x.html', '%2e%2e/'];
    for (const name of [...others, file.replace('2026', '2025')])
      expect(await readReport(folder, name), name).to.equal(undefined);
    expect(isReport(`${file}/../../etc/passwd`)).to.equal(false);
  });
});
