/** Pages of values of all sizes: everything is read once, in order, in answers that stay bounded. */
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { keyOf, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import { readPages } from '../../src/source/pages.js';
import { EtcdClient, type RangeAnswer, type RangeQuery } from '../../src/wire/client.js';
import { MAX_MESSAGE_BYTES } from '../../src/wire/members.js';
import { Etcd } from '../rig/etcd.js';

const MEGABYTE = 1_000_000;

/** Notes how large answers were, and refuses those above a limit as the channel would. */
class Metered extends EtcdClient {
  answers: number[] = [];
  refused = 0;
  limit = MAX_MESSAGE_BYTES;

  override async range(query: RangeQuery): Promise<RangeAnswer> {
    const answer = await super.range(query);
    const bytes = answer.rows.reduce((sum, row) => sum + row.length, 0);
    if (bytes > this.limit) {
      this.refused++;
      throw new LockstepError('ANSWER_TOO_LARGE', `${bytes} bytes`);
    }
    this.answers.push(bytes);
    return answer;
  }
}

describe('readPages', () => {
  let etcd: Etcd;
  let client: Metered;
  const keys: string[] = [];
  const size = (i: number) => (i % 500 >= 400 && i % 500 < 412 ? MEGABYTE : i % 7);

  before(async () => {
    etcd = await Etcd.start();
    client = new Metered(etcd.endpoint, 'source');
    let batch: { requestPut: { key: Buffer; value: Buffer } }[] = [];
    for (let i = 0; i < 1500; i++) {
      const key = `/p/${String(i).padStart(5, '0')}`;
      keys.push(key);
      const put = { requestPut: { key: Buffer.from(key), value: Buffer.alloc(size(i), 'x') } };
      if (size(i) < MEGABYTE) batch.push(put);
      else await client.txn({ success: [put] });
      if (batch.length < 100 && i < 1499) continue;
      await client.txn({ success: batch });
      batch = [];
    }
    await client.txn({ success: [{ requestPut: { key: Buffer.from('/q/x') } }] });
  });
  after(async () => {
    client.close();
    await etcd.remove();
  });
  beforeEach(() => {
    client.answers = [];
    client.refused = 0;
    client.limit = MAX_MESSAGE_BYTES;
  });

  async function readAll(from?: Buffer): Promise<string[]> {
    const { revision } = await client.head();
    const read: string[] = [];
    const skipped = from ? keys.findIndex((key) => Buffer.from(key).compare(from) >= 0) : 0;
    let next = from;
    for await (const page of readPages(client, prefixRange('/p/'), revision, from)) {
      for (const row of page.rows) {
        const kv = parseKeyValue(row);
        expect(kv.value).to.have.lengthOf(size(Number(kv.key.toString().slice(3))));
        read.push(kv.key.toString());
      }
      const [first, last] = [page.rows[0], page.rows.at(-1)];
      if (next && first) expect(next.compare(keyOf(first))).to.be.at.most(0);
      if (page.next && last) expect(page.next.compare(keyOf(last))).to.equal(1);
      next = page.next;
      expect(page.remaining).to.equal(keys.length - (read.length - page.rows.length) - skipped);
      // Only the last one may be empty.
      if (page.next) expect(page.rows).not.to.deep.equal([]);
    }
    return read;
  }

  it('a megabyte beside a byte: all read once, in order, no answer out of bounds', async () => {
    expect(await readAll()).to.deep.equal(keys);
    // A page that follows tiny ones asks for many keys, and meets all that are large among them.
    expect(Math.max(...client.answers)).to.be.lessThan(MAX_MESSAGE_BYTES / 2);
    expect(client.refused).to.equal(0);
  });

  it('an answer above the limit is asked for again, smaller, down to a single key', async () => {
    client.limit = MEGABYTE + 1000;
    expect(await readAll()).to.deep.equal(keys);
    expect(client.refused).to.be.greaterThan(0);
    expect(Math.max(...client.answers)).to.be.within(MEGABYTE, client.limit);
  });

  it('a single key above the limit is an error', async () => {
    client.limit = MEGABYTE - 1;
    let code: string | undefined;
    await readAll().catch((error: unknown) => (code = (error as LockstepError).code));
    expect(code).to.equal('ANSWER_TOO_LARGE');
  });

  it('goes on in the middle', async () => {
    expect(await readAll(Buffer.from(`${keys[700] ?? ''}\0`))).to.deep.equal(keys.slice(701));
  });

  it('an empty range is one empty page', async () => {
    const { revision } = await client.head();
    const pages = [];
    for await (const page of readPages(client, prefixRange('/none/'), revision)) pages.push(page);
    expect(pages).to.deep.equal([{ rows: [], next: undefined, remaining: 0 }]);
  });

  it('a revision that is compacted away under it is named', async () => {
    const { revision } = await client.head();
    await client.txn({ success: [{ requestPut: { key: Buffer.from('/q/x') } }] });
    let code: string | undefined;
    try {
      for await (const _ of readPages(client, prefixRange('/p/'), revision))
        await client.compact(revision + 1);
    } catch (error) {
      code = (error as LockstepError).code;
    }
    expect(code).to.equal('COMPACTED');
  });
});
