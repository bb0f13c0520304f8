/** `audit --report` on real etcds: what the documents say, and what becomes of the audit without them. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KeyMap } from '../../src/mirror/keymap.js';
import { auditFacts, mirrorFacts, type AuditFacts } from '../../src/report/auditfacts.js';
import { reportDocument } from '../../src/report/forms.js';
import * as contract from '../cli/contract.js';
import { errorOf, run, whole, type Ended } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { Pair } from '../cutover/pair.js';
import { Pair as Mirrored, put } from '../mirror/pair.js';
import { removeFolder } from '../rig/child.js';
import type { Etcd } from '../rig/etcd.js';

const dir = mkdtempSync(join(tmpdir(), 'report-'));
after(() => {
  removeFolder(dir);
});
const factsIn = (path: string) =>
  reportDocument.parse(JSON.parse(readFileSync(path, 'utf8'))).facts;

async function verified(path: string): Promise<void> {
  const ended = await run(['audit', 'verify', path, '-w', 'json']);
  expect(ended.code, ended.stdout + ended.stderr).to.equal(0);
  const { verify } = contract.auditVerify.parse(whole(ended.stdout)[0]);
  expect(verify).to.include({ file: path, whole: true });
}

describe('audit --report', () => {
  let stage: Stage;
  let target: Etcd;
  before(async () => {
    stage = await Stage.start();
    for (const pod of ['a', 'b', 'c', 'd']) await stage.put(`${PODS}default/${pod}`, pod);
    await stage.put(`${PODS}kube-system/etcd-0`, 'hunter2');
    target = await stage.etcd((await stage.seed()).base);
  });
  after(() => stage.end());

  /** Both documents of an audit, and how it ended. */
  async function reported(
    name: string,
    ...more: string[]
  ): Promise<{ ended: Ended; facts: AuditFacts }> {
    const files = ['html', 'json'].map((ending) => join(dir, `${name}.${ending}`));
    const ended = await stage.audit(target, '--report', files.join(','), ...more);
    for (const file of files) await verified(file);
    expect(readdirSync(dir).filter((left) => left.endsWith('.part'))).to.deep.equal([]);
    const { report, files: told } = contract.auditReport.parse(whole(ended.stdout).at(-1));
    expect(told).to.deep.equal(files);
    const facts = auditFacts.parse(factsIn(files[1]!));
    expect(facts.audit).to.deep.equal(report);
    expect(facts.differences.found).to.equal(report.differences);
    expect(readFileSync(files[0]!, 'utf8')).to.contain(
      `<strong>${report.equal ? 'EQUAL' : 'DIFFERENT'}`,
    );
    return { ended, facts };
  }

  it('equal: both clusters, the history, groups, who and how', async () => {
    const { ended, facts } = await reported('equal', '--history');
    expect(ended.code).to.equal(0);
    const { source, target: other, made, contents } = facts;
    expect(source.members).to.have.length(1);
    expect(source.members[0]).to.include({ version: source.version });
    expect(source.cluster).not.to.equal(other.cluster);
    expect(source.head).to.equal(await stage.head());
    expect(
      contents.groups.map(({ namespace, keys, differences }) => ({ namespace, keys, differences })),
    ).to.deep.equal([
      { namespace: 'default', keys: { source: 4, target: 4 }, differences: 0 },
      { namespace: 'kube-system', keys: { source: 1, target: 1 }, differences: 0 },
    ]);
    expect(contents.valueBytes).to.deep.equal([
      { from: 1, to: 1, keys: 4 },
      { from: 2, to: 3, keys: 0 },
      { from: 4, to: 7, keys: 1 },
    ]);
    expect(facts.audit.history).to.include({ after: 1, events: 5, differences: 0 });
    expect(made.command).to.match(/^etcd-lockstep audit --endpoints=http.* --history/);
    expect(Date.parse(made.started)).to.be.at.most(Date.parse(made.ended));
  });

  it('the hash can be made with other tools', function () {
    const path = join(dir, 'equal.json');
    const { sha256 } = reportDocument.parse(JSON.parse(readFileSync(path, 'utf8')));
    try {
      const pipe = `jq -cjS .facts '${path}' | sha256sum`;
      execFileSync('jq', ['--version']);
      expect(execFileSync('sh', ['-c', pipe]).toString()).to.match(new RegExp(`^${sha256} `));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') this.skip();
      throw error;
    }
  });

  it('different in each field: both sides of it, and no value', async () => {
    const grant = /lease (\w+) granted/.exec(await target.ctl('lease', 'grant', '600'));
    await target.ctl('put', `${PODS}default/a`, 'hunter3', `--lease=${grant?.[1] ?? ''}`);
    await target.ctl('del', `${PODS}default/b`);
    await target.ctl('put', `${PODS}default/b`, 'b');
    await target.ctl('del', `${PODS}default/c`);
    await target.ctl('put', `${PODS}kube-system/new`, 'hunter4');
    while ((await stage.head()) < 20) await stage.foreign(1);
    const { ended, facts } = await reported('different');
    expect(ended.code).to.equal(1);
    const listed = facts.differences.listed.map(({ key, kind, fields }) => [
      key.slice(PODS.length),
      kind,
      fields.join(),
    ]);
    expect(listed).to.deep.equal([
      ['default/a', 'different', 'value,mod_revision,version,lease'],
      ['default/b', 'different', 'mod_revision,create_revision'],
      ['default/c', 'missing on target', ''],
      ['kube-system/new', 'extra on target', ''],
    ]);
    const [a, , c, fresh] = facts.differences.listed;
    expect(a?.source).to.include({ version: 1, lease: '0', valueBytes: 1 });
    expect(a?.target).to.include({ version: 2, lease: grant?.[1], valueBytes: 7 });
    expect([c?.target, fresh?.source]).to.deep.equal([null, null]);
    expect(facts.contents.groups.map(({ differences }) => differences)).to.deep.equal([3, 1]);
    for (const ending of ['html', 'json'])
      expect(readFileSync(join(dir, `different.${ending}`), 'utf8')).not.to.contain('hunter');
  });

  it('what cannot be written is refused before anything is compared', async () => {
    const there = join(dir, 'there.html');
    writeFileSync(there, 'mine');
    for (const [file, code] of [
      [there, 'FILE_EXISTS'],
      [join(dir, 'no', 'such.html'), 'BAD_PATH'],
      [join(dir, 'report.pdf'), 'BAD_ARGUMENT'],
      [`${join(dir, 'x.html')},${join(dir, 'x.html')}`, 'BAD_ARGUMENT'],
    ] as const) {
      const ended = await stage.audit(target, '--report', file);
      expect([ended.code, ended.stdout]).to.deep.equal([2, '']);
      expect(errorOf(ended).code, file).to.equal(code);
    }
    expect(readFileSync(there, 'utf8')).to.equal('mine');
  });

  it('a disk that fills up: the result counts all the same, and the failure is told', async () => {
    const [lost, kept] = [join(dir, 'lost.html'), join(dir, 'kept.json')];
    symlinkSync('/dev/full', `${lost}.part`);
    const ended = await stage.audit(target, '--report', `${lost},${kept}`);
    expect(ended.code).to.equal(1);
    const { report, files } = contract.auditReport.parse(whole(ended.stdout).at(-1));
    expect([report.equal, files]).to.deep.equal([false, [kept]]);
    expect(errorOf(ended)).to.include({ code: 'IO' });
    expect(existsSync(lost)).to.equal(false);

    const fresh = await stage.etcd((await stage.seed()).base);
    symlinkSync('/dev/full', `${lost}.part`);
    const equal = await stage.audit(fresh, '--report', lost);
    expect(equal.code).to.equal(6);
    expect(contract.auditReport.parse(whole(equal.stdout).at(-1)).report.equal).to.equal(true);
    expect(errorOf(equal).code).to.equal('IO');
  });

  it('verify: what is not whole, and what is not there', async () => {
    const path = join(dir, 'touched.json');
    writeFileSync(
      path,
      readFileSync(join(dir, 'equal.json'), 'utf8').replace('"equal":true', '"equal":false'),
    );
    const touched = await run(['audit', 'verify', path]);
    expect(touched.code).to.equal(1);
    expect(touched.stdout).to.contain(`NOT WHOLE: ${path}`).and.contain('sha256');
    const gone = await run(['audit', 'verify', join(dir, 'gone.json'), '-w', 'json']);
    expect([gone.code, errorOf(gone).code]).to.deep.equal([2, 'BAD_PATH']);
  });
});

describe('audit --report of a target that was taken over', () => {
  let pair: Pair;
  before(async () => (pair = await Pair.start()));
  after(() => pair.end());

  it('says of which moment it speaks', async () => {
    const { exact } = await pair.taken();
    await pair.target.ctl('put', `${PODS}new`, 'x');
    const file = join(dir, 'taken.html');
    const ends = [
      '--endpoints',
      pair.stage.source.endpoint,
      '--dest-endpoints',
      pair.target.endpoint,
    ];
    const ended = await run(['audit', ...ends, '--report', file]);
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stdout.trimEnd().split('\n').at(-1)).to.equal(`report: ${file}`);
    const page = readFileSync(file, 'utf8');
    expect(page).to.contain(`At revision ${exact}, when the target was taken over`);
    expect(page).to.contain('on the target 1 key put');
    await verified(file);
  });
});

describe('audit --values --report', () => {
  let pair: Mirrored;
  before(async () => (pair = await Mirrored.start()));
  after(() => pair.end());

  it('values and leases of a mirror, by their names on the target', async () => {
    await pair.write(put('/a/x/1'), put('/a/x/2'));
    await pair.sync(new KeyMap('/a/', '/b/'));
    await pair.to.txn({ success: [put('/b/x/2', 'other'), put('/b/y/3', 'mine')] });
    const files = ['html', 'json'].map((ending) => join(dir, `mirror.${ending}`));
    const ends = ['--endpoints', pair.source.endpoint, '--dest-endpoints', pair.target.endpoint];
    const names = ['--prefix', '/a/', '--dest-prefix', '/b/'];
    const ended = await run([
      'audit',
      '--values',
      ...ends,
      ...names,
      '-w',
      'json',
      '--report',
      files.join(','),
    ]);
    expect(ended.code, ended.stderr).to.equal(1);
    const { report } = contract.valuesReport.parse(whole(ended.stdout).at(-1));
    const facts = mirrorFacts.parse(factsIn(files[1]!));
    expect(facts.audit).to.deep.equal(report);
    expect(facts.differences.listed.map(({ key, fields }) => [key, fields.join()])).to.deep.equal([
      ['/b/x/2', 'value'],
      ['/b/y/3', ''],
    ]);
    expect(
      facts.contents.groups.map(({ namespace, keys }) => [namespace, keys.source, keys.target]),
    ).to.deep.equal([
      ['x', 2, 2],
      ['y', 0, 1],
    ]);
    for (const file of files) await verified(file);
  });
});
