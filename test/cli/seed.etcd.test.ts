/** seed and crop as a user runs them: their JSON, their warnings, what they leave behind. */
import { expect } from 'chai';
import { createHash } from 'node:crypto';
import { ClassicLevel } from 'classic-level';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd } from '../rig/etcd.js';
import * as contract from './contract.js';
import { errorOf, run, whole } from './run.js';
import { PODS, Stage } from './stage.js';

describe('seed', () => {
  let stage: Stage;
  before(async () => {
    stage = await Stage.start();
    for (const name of ['a', 'b', 'a']) await stage.put(`${PODS}${name}`);
    await stage.put('/registry/podtemplates/t');
    await stage.put('/registry/poddisruptionbudgets/p');
  });
  after(() => stage.end());

  const seed = (name: string, ...more: string[]) => [
    ...['seed', '--endpoints', stage.source.endpoint],
    ...['--journal', join(stage.dir, `${name}-journal`), '--out', join(stage.dir, `${name}.db`)],
    ...more,
  ];

  for (const from of ['range', 'snapshot'])
    it(`--from ${from} -w json: one object, as the contract has it`, async () => {
      const args = seed(from, '--prefix', PODS, '--from', from, '-w', 'json');
      const { code, stdout, stderr } = await run(args);
      expect(code, stderr).to.equal(0);
      const lines = whole(stdout);
      expect(lines).to.have.lengthOf(1);
      const sealed = contract.seed.parse(lines[0]);
      expect(sealed).to.deep.include({ head: 6, compactRevision: 1, keys: 2, rows: 3, leases: 0 });
      expect(sealed.out).to.equal(join(stage.dir, `${from}.db`));
      expect(sealed.fileBytes).to.equal(readFileSync(sealed.out).length);
      expect(sealed.restore).to.have.lengthOf(2);
      expect(sealed.restore[0]).to.contain(sealed.out);
    });

  it('--from FILE -w json: the same; another --from is refused with nothing made', async () => {
    const file = join(stage.dir, 'backup.db');
    await stage.source.ctl('snapshot', 'save', file);
    const { code, stdout, stderr } = await run(
      seed('file', '--prefix', PODS, '--from', file, '-w', 'json'),
    );
    expect(code, stderr).to.equal(0);
    const sealed = contract.seed.parse(whole(stdout)[0]);
    expect(sealed).to.deep.include({ head: 6, compactRevision: 1, keys: 2, rows: 3, leases: 0 });
    expect(stderr).to.contain('history reaches back to it; 4 of 4 keys');
    const other = await Etcd.start();
    try {
      for (let i = 0; i < 8; i++) await other.ctl('put', `${PODS}a`, `${i}`);
      const args = seed('other', '--prefix', PODS, '--from', file, '-w', 'json');
      const ended = await run(args.with(args.indexOf('--endpoints') + 1, other.endpoint));
      expect(ended.code, ended.stderr).to.equal(2);
      expect(errorOf(ended)).to.include({ code: 'SNAPSHOT_OTHER' });
      expect(readdirSync(stage.dir).filter((name) => name.startsWith('other'))).to.deep.equal([]);
    } finally {
      await other.remove();
    }
  });

  it('the text names the next steps', async () => {
    const { code, stdout, stderr } = await run(seed('text', '--prefix', PODS));
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/head revision +6\n/);
    expect(stdout).to.contain(
      `  etcd-lockstep follow --endpoints ${stage.source.endpoint} --dest-endpoints http://127.0.0.1:2379 --journal ${join(stage.dir, 'text-journal')}\n`,
    );
    expect(stdout.match(/etcdutl snapshot restore .* --name pods-/g)).to.have.lengthOf(1);
    expect(stdout).to.contain('several members: --dest-endpoints');
    expect(stderr).to.equal('');
  });

  it('the next steps are those for the target that was named', async () => {
    const at = 'http://10.0.1.1:2379,http://10.0.1.2:2379,http://10.0.1.3:2379';
    const { stdout } = await run(seed('three', '--prefix', PODS, '--dest-endpoints', at));
    expect(stdout).to.contain(` --dest-endpoints ${at} --journal `);
    expect(stdout.match(/etcdutl snapshot restore .* --name pods-/g)).to.have.lengthOf(3);
    expect(stdout).not.to.contain('127.0.0.1:2379');
  });

  it('an --out that exists is refused, and stays', async () => {
    const out = join(stage.dir, 'mine.db');
    writeFileSync(out, 'mine');
    const { code, stderr } = await run(seed('mine', '--prefix', PODS, '-w', 'json'));
    expect(code).to.equal(2);
    expect(errorOf({ stderr }).code).to.equal('FILE_EXISTS');
    expect(readFileSync(out, 'utf8')).to.equal('mine');
    expect(readdirSync(stage.dir)).not.to.include('mine-journal');
  });

  it('an --out whose folder is not there is no bug of ours', async () => {
    const args = seed('lost', '--prefix', PODS, '--out', join(stage.dir, 'no/base.db'));
    const { code, stderr } = await run(args);
    expect(code, stderr).to.be.oneOf([2, 5]);
    expect(stderr).to.match(/\[BAD_PATH\]\nTry: /);
  });

  it("a --journal that is somebody else's is refused, and left as it was", async () => {
    const foreign = join(stage.dir, 'foreign');
    const db = new ClassicLevel(foreign);
    await db.put('a', 'b');
    await db.close();
    const files = join(stage.dir, 'files');
    mkdirSync(files);
    const notes = join(files, 'notes.txt');
    for (const dir of [foreign, files]) writeFileSync(join(dir, 'notes.txt'), 'mine');
    for (const journal of [foreign, files, notes]) {
      const out = join(stage.dir, 'never.db');
      const ended = await run([
        ...['seed', '--endpoints', stage.source.endpoint, '--prefix', PODS],
        ...['--journal', journal, '--out', out, '-w', 'json'],
      ]);
      expect(ended.code, ended.stderr).to.equal(2);
      expect(errorOf(ended).code).to.be.oneOf(['JOURNAL_OTHER', 'IO']);
      expect(existsSync(out)).to.equal(false);
    }
    for (const dir of [foreign, files])
      expect(readFileSync(join(dir, 'notes.txt'), 'utf8')).to.equal('mine');
    const again = new ClassicLevel(foreign);
    expect(await again.get('a')).to.equal('b');
    await again.close();
  });

  it('a prefix without its slash: a warning with what else it covers, on stderr', async () => {
    const args = seed('slash', '--prefix', '/registry/pod', '-w', 'json');
    const { code, stdout, stderr } = await run(args);
    expect(code, stderr).to.equal(0);
    expect(contract.seed.parse(whole(stdout)[0]).keys).to.equal(4);
    const log = stderr.split('\n').filter((line) => line !== '');
    expect(log).to.have.lengthOf(1);
    const { level, msg } = JSON.parse(log[0]!) as { level: string; msg: string };
    expect(level).to.equal('warn');
    for (const folder of ['pods', 'podtemplates', 'poddisruptionbudgets'])
      expect(msg).to.contain(`/registry/${folder}/`);
  });

  it('a prefix that is a folder less its slash: only the others are named', async () => {
    await stage.put('/registry/pods2/x');
    const { stderr } = await run(seed('folder', '--prefix', '/registry/pods'));
    expect(stderr).to.contain('covers /registry/pods2/').and.to.contain('give /registry/pods/');
  });
});

describe('crop', () => {
  let stage: Stage;
  let snapshot: string;
  let bytes: Buffer;
  before(async () => {
    stage = await Stage.start();
    for (const name of ['a', 'b', 'a']) await stage.put(`${PODS}${name}`, 'x'.repeat(2000));
    await stage.put('/registry/podtemplates/t');
    await stage.source.ctl('lease', 'grant', '600');
    snapshot = join(stage.dir, 'snapshot.db');
    await stage.source.ctl('snapshot', 'save', snapshot);
    bytes = readFileSync(snapshot);
  });
  after(() => stage.end());

  const crop = (file: string, out: string, ...more: string[]) =>
    run(['crop', file, '--prefix', PODS, '--out', join(stage.dir, out), ...more]);

  it('-w json: one object, as the contract has it; the base restores', async () => {
    const { code, stdout, stderr } = await crop(snapshot, 'base.db', '-w', 'json');
    expect(code, stderr).to.equal(0);
    expect(stderr).to.equal('');
    const lines = whole(stdout);
    expect(lines).to.have.lengthOf(1);
    const cropped = contract.crop.parse(lines[0]);
    expect(cropped).to.deep.include({ head: 5, compactRevision: 1, keys: 2, rows: 3, leases: 0 });
    expect(cropped.snapshotBytes).to.equal(bytes.length - 32);
    const pods = cropped.resources.find(({ resource }) => resource === PODS);
    expect(pods?.keys).to.equal(2);
    expect(pods?.oldBytes).to.be.within(2000, 2100);
    const etcd = await stage.etcd(join(stage.dir, 'base.db'));
    expect(await etcd.ctl('get', PODS, '--prefix', '--keys-only')).to.equal(
      `${PODS}a\n\n${PODS}b\n\n`,
    );
  });

  it('text: what was there by resource, and that it cannot be followed into', async () => {
    const { code, stdout } = await crop(snapshot, 'text.db');
    expect(code).to.equal(0);
    expect(stdout).to.match(/\/registry\/podtemplates\/ +1 /);
    expect(stdout).to.contain(`not followed into; use seed --from ${snapshot} for that`);
  });

  it('warns of a prefix without its slash', async () => {
    const args = ['crop', snapshot, '--prefix', '/registry/pod'];
    const { code, stderr } = await run([...args, '--out', join(stage.dir, 'slash.db')]);
    expect(code).to.equal(0);
    expect(stderr).to.contain('/registry/pods/').and.to.contain('/registry/podtemplates/');
  });

  it('refuses an --out that exists', async () => {
    writeFileSync(join(stage.dir, 'mine.db'), 'mine');
    const { code, stderr } = await crop(snapshot, 'mine.db');
    expect(code).to.equal(2);
    expect(stderr).to.contain('[FILE_EXISTS]');
  });

  it('an --out whose folder is not there is no bug of ours', async () => {
    const { code, stderr } = await crop(snapshot, 'no/base.db');
    expect(code, stderr).to.be.oneOf([2, 5]);
    expect(stderr).to.match(/\[BAD_PATH\]\nTry: /);
  });

  const flipped = (at: number) => {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 1;
    return copy;
  };
  const DAMAGED: Record<string, [damage: () => Buffer | undefined, code: string]> = {
    'one bit flipped in the first page': [() => flipped(20), 'SNAPSHOT_DAMAGED'],
    'one bit flipped in the middle': [() => flipped(bytes.length >> 1), 'SNAPSHOT_DAMAGED'],
    'one bit flipped in the checksum': [() => flipped(bytes.length - 1), 'SNAPSHOT_DAMAGED'],
    'cut short': [() => bytes.subarray(0, 9000), 'SNAPSHOT_NO_CHECKSUM'],
    'cut short by whole pages': [() => bytes.subarray(0, -4096), 'SNAPSHOT_DAMAGED'],
    'without its checksum': [() => bytes.subarray(0, -32), 'SNAPSHOT_NO_CHECKSUM'],
    'an empty file': [() => Buffer.alloc(0), 'NO_SNAPSHOT'],
    'of 32 bytes': [() => Buffer.alloc(32, 7), 'NO_SNAPSHOT'],
    'no snapshot at all': [() => Buffer.from('{"kind":"Pod"}'), 'NO_SNAPSHOT'],
    'no bbolt file, with a right checksum': [() => summed(Buffer.alloc(8192, 7)), 'BOLT_DAMAGED'],
    'not there': [() => undefined, 'BAD_PATH'],
  };

  for (const [what, [damage, code]] of Object.entries(DAMAGED))
    it(`${what}: ${code}, and nothing is left behind`, async () => {
      const file = join(stage.dir, 'damaged.db');
      const content = damage();
      if (content) writeFileSync(file, content);
      const before = readdirSync(stage.dir).sort();
      const given = content ? file : join(stage.dir, 'nowhere.db');
      const ended = await crop(given, 'out.db', '-w', 'json');
      expect(ended.code, ended.stderr).to.be.oneOf([2, 5]);
      expect(errorOf(ended).code).to.equal(code);
      expect(ended.stdout).to.equal('');
      expect(readdirSync(stage.dir).sort()).to.deep.equal(before);
    });
});

function summed(data: Buffer): Buffer {
  return Buffer.concat([data, createHash('sha256').update(data).digest()]);
}
