/** A base file whose name another process takes, or cuts short, while it is written. */
import { expect } from 'chai';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseFile } from '../../src/base/basefile.js';
import { appendChecksum, verifyChecksum } from '../../src/base/checksum.js';
import { LockstepError } from '../../src/errors.js';
import { digest, Tally } from '../../src/mvcc/tally.js';
import { row } from '../journal/rows.js';

describe('a base file', () => {
  const dir = mkdtempSync(join(tmpdir(), 'basefile-'));
  const out = join(dir, 'base.db');

  afterEach(() => {
    for (const name of readdirSync(dir)) rmSync(join(dir, name));
  });
  after(() => {
    rmSync(dir, { recursive: true });
  });

  function begun(): { base: BaseFile; publish: () => Promise<unknown> } {
    const base = new BaseFile(out);
    const one = row(2, 0, Buffer.from('/p/a'), false);
    base.add(one);
    const tally = new Tally();
    tally.add(digest(one.bytes));
    const facts = { source: null, prefixes: ['/p/'], head: 2, compactRevision: 1, gap: null };
    const noLease = () => Promise.resolve(undefined);
    return { base, publish: () => base.publish({ ...facts, tally }, noLease) };
  }

  const failure = (of: Promise<unknown>) =>
    of.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('that two write at once is published by the one that has it, and by no other', async () => {
    const first = begun();
    const second = begun();
    const error = await failure(first.publish());
    expect(error).to.be.instanceOf(LockstepError).with.property('code', 'IO');
    expect(String(error)).to.contain('another process has begun to write the same file');
    await first.base.abort();
    // It is still there, as it was.
    await second.publish();
    await second.base.abort();
    expect(readdirSync(dir)).to.deep.equal(['base.db']);
    expect(await verifyChecksum(out)).to.equal(readFileSync(out).length - 32);
  });

  it('that was taken away is not published', async () => {
    const { base, publish } = begun();
    rmSync(`${out}.part`);
    expect(await failure(publish())).to.have.property('code', 'IO');
    await base.abort();
    expect(readdirSync(dir)).to.deep.equal([]);
  });

  it('that is shorter than was written gets no checksum', async () => {
    const short = join(dir, 'short');
    writeFileSync(short, Buffer.alloc(4096));
    const error = await failure(appendChecksum(short, 8192));
    expect(error).to.have.property('code', 'IO');
    expect(String(error)).to.contain('ends at byte 4096 of 8192');
    expect(readFileSync(short)).to.have.lengthOf(4096);
  });
});
