/** What is given for a snapshot and is none: what it is, and what makes one of it. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { deflateSync, gzipSync } from 'node:zlib';
import { verifyChecksum } from '../../src/base/checksum.js';
import { SnapshotFile } from '../../src/base/snapshot.js';
import { LockstepError } from '../../src/errors.js';
import { PODS, Stage } from '../cli/stage.js';

const SHA256_BYTES = 32;

describe('a file that is no snapshot', () => {
  let stage: Stage;
  let saved: string;
  let given: string;
  before(async () => {
    stage = await Stage.start();
    for (let i = 0; i < 5; i++) await stage.put(`${PODS}${i}`);
    [saved, given] = [join(stage.dir, 'saved.db'), join(stage.dir, 'given')];
    await stage.source.ctl('snapshot', 'save', saved);
  });
  after(() => stage.end());

  async function refused(path: string): Promise<LockstepError> {
    const error: unknown = await SnapshotFile.open(path).catch((thrown: unknown) => thrown);
    if (error instanceof LockstepError) return error;
    throw new Error(`${path} was taken for a snapshot`);
  }

  const magic = (bytes: number[]) => Buffer.concat([Buffer.from(bytes), Buffer.alloc(2000, 9)]);
  const KINDS: Record<string, [make: (db: Buffer) => Buffer, what: RegExp, todo: RegExp]> = {
    gzip: [gzipSync, /it is packed with gzip/, /gunzip -k /],
    zlib: [deflateSync, /packed with zlib/, /uncompress/],
    zstd: [() => magic([0x28, 0xb5, 0x2f, 0xfd]), /packed with zstd/, /unzstd /],
    xz: [() => magic([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), /packed with xz/, /unxz -k /],
    zip: [() => magic([0x50, 0x4b, 3, 4]), /packed with zip/, /unzip /],
    tar: [() => tar(), /it is a tar archive/, /tar -xf /],
    'an error page': [() => Buffer.from('<?xml version="1.0"?><Error>'), /it is text/, /head /],
    'encrypted with age': [() => Buffer.from('age-encryption.org/v1\n\0'), /encrypted/, /Decrypt/],
    'something else': [() => magic([1, 2, 3]), /begins with 0102030909/, /snapshot save/],
    empty: [() => Buffer.alloc(0), /it is empty/, /snapshot save/],
  };

  function tar(): Buffer {
    return execFileSync('tar', ['-cf', '-', '-C', stage.dir, 'saved.db']);
  }

  for (const [name, [make, what, todo]] of Object.entries(KINDS))
    it(`${name}: ${what.source}`, async () => {
      const bytes = make(readFileSync(saved));
      // Of whatever length: a remainder that looks like a checksum's changes nothing.
      const pad = Buffer.alloc((2 * 512 + SHA256_BYTES - (bytes.length % 512)) % 512, 9);
      const longs =
        name === 'empty' || name === 'an error page' ? [] : [Buffer.concat([bytes, pad])];
      for (const content of [bytes, ...longs]) {
        writeFileSync(given, content);
        const { code, message, hint, disposition } = await refused(given);
        if (content !== bytes && name === 'something else') {
          expect(code).to.equal('SNAPSHOT_DAMAGED');
          continue;
        }
        expect([code, disposition]).to.deep.equal(['NO_SNAPSHOT', 'usage']);
        expect(message).to.match(what);
        expect(hint).to.match(todo);
      }
    });

  it('a directory, and that of a member', async () => {
    const plain = await refused(stage.dir);
    expect(plain.message).to.match(/it is a directory$/);
    const member = await refused(stage.source.dataDir);
    expect(member.message).to.match(/it is the data directory of a member$/);
    expect(member.hint).to.contain(join(stage.source.dataDir, 'member/snap/db'));
    const folder = join(stage.dir, 'snap');
    mkdirSync(folder);
    expect((await refused('/dev/null')).message).to.match(/no regular file/);
  });

  it("a member's own database: its sha256 behind it makes a snapshot of it", async () => {
    const db = join(stage.dir, 'db');
    await stage.source.stop();
    copyFileSync(join(stage.source.dataDir, 'member/snap/db'), db);
    await stage.source.restart();
    const { code, message, hint = '' } = await refused(db);
    expect(code).to.equal('SNAPSHOT_NO_CHECKSUM');
    expect(message).to.match(/is the database of a member/);
    const command = /\(cat .* > snapshot\.db$/.exec(hint)?.[0] ?? '';
    execFileSync('sh', ['-c', command], { cwd: stage.dir });
    const made = join(stage.dir, 'snapshot.db');
    const file = await SnapshotFile.open(made);
    expect(file.head).to.equal(await stage.head());
    file.close();
    const sum = createHash('sha256').update(readFileSync(db)).digest();
    appendFileSync(db, sum);
    expect(readFileSync(made).equals(readFileSync(db))).to.equal(true);
  });

  it('one that was cut short is called so', async () => {
    writeFileSync(given, readFileSync(saved).subarray(0, 9000));
    const { code, message } = await refused(given);
    expect(code).to.equal('SNAPSHOT_NO_CHECKSUM');
    expect(message).to.match(/a part of a snapshot/);
  });

  it('the sound one is taken', async () => {
    expect(await verifyChecksum(saved)).to.equal(readFileSync(saved).length - SHA256_BYTES);
  });
});
