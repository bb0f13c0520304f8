/** A base from a live source: it holds what the source holds, and every etcd boots on it exactly there. */
import { join } from 'node:path';
import { expect } from 'chai';
import { hasCode } from '../../src/errors.js';
import { watchLimits } from '../../src/source/limits.js';
import { CURSOR_KEY } from '../../src/target/cursor.js';
import { EtcdClient } from '../../src/wire/client.js';
import { hashKv } from '../oracle/hashkv.js';
import { PREFIXES } from '../oracle/history.js';
import { compareRows, readRaw, rowsOf, withSnapshot, type OracleRows } from '../oracle/rows.js';
import { startFromSnapshot, versions, type Etcd } from '../rig/etcd.js';
import { cropFile, dataRows, Source, takeBase, tempDir } from './sources.js';

for (const version of versions()) {
  describe(`base of a quiet source (etcd ${version})`, () => {
    const dir = tempDir();
    let source: Source;
    let truth: OracleRows;
    const base: Record<'range' | 'snapshot' | 'crop', string> = {
      range: '',
      snapshot: '',
      crop: '',
    };

    before(async () => {
      source = await Source.start(version);
      truth = await rowsOf(source.etcd, PREFIXES);
      base.snapshot = await takeBase(source, dir, 'snapshot');
      base.crop = await withSnapshot(source.etcd, (f) => cropFile(f, join(dir, 'crop.db')));
      base.range = await takeBase(source, dir, 'range');
    });

    after(() => source.end());

    it('is the same whether it was read from pages, a snapshot or a file', () => {
      const rows = dataRows(base.snapshot);
      expect(rows.length).to.be.greaterThan(10);
      expect(dataRows(base.crop)).to.deep.equal(rows);
      // Where the watch may lose the compact revision, pages bring it, which do not show its order.
      const order = watchLimits(version).progressIsProof;
      const known = (file: string) => dataRows(file, order ? 0 : truth.compactRevision);
      expect(known(base.range)).to.deep.equal(known(base.snapshot));
      for (const file of Object.values(base)) {
        const { scheduled, finished } = readRaw(file);
        expect([scheduled, finished]).to.deep.equal([truth.compactRevision, truth.compactRevision]);
      }
    });

    for (const targetVersion of versions()) {
      describe(`restored by ${targetVersion}`, () => {
        let target: Etcd;

        before(async () => {
          target = await startFromSnapshot(base.range, { version: targetVersion });
        });

        after(() => target.remove());

        it('has the HashKV of what was written', async () => {
          const { rows, finished } = readRaw(base.range);
          expect(await askHashKv(target)).to.equal(hashKv(rows, finished, truth.head));
        });

        it('has the head, the rows and the compact revision of the source', async () => {
          const rows = await rowsOf(target, PREFIXES);
          expect(compareRows(truth, rows)).to.be.undefined;
          expect(rows.compactRevision).to.equal(truth.compactRevision);
        });

        it('goes on at head + 1, refuses what is compacted, and takes a compaction', async () => {
          await useTarget(target, truth);
        });
      });
    }
  });
}

/** What clients do with a new target. */
async function useTarget(target: Etcd, { head, compactRevision }: OracleRows): Promise<void> {
  const client = new EtcdClient(target.endpoint, 'target');
  try {
    expect((await client.head()).revision).to.equal(head);
    expect(await watchFrom(client, compactRevision - 1)).to.equal(compactRevision);
    expect(await watchFrom(client, compactRevision)).to.equal(undefined);
    const old = client.range({ key: CURSOR_KEY, revision: compactRevision - 1 });
    expect(hasCode(await old.catch((e: unknown) => e), 'COMPACTED')).to.be.true;
    const success = [{ requestPut: { key: Buffer.from('x'), value: Buffer.from('y') } }];
    expect((await client.txn({ success })).revision).to.equal(head + 1);
    const before = await rowsOf(target, PREFIXES);
    await client.compact(head);
    const after = await rowsOf(target, PREFIXES);
    expect(compareRows(before, after)).to.be.undefined;
  } finally {
    client.close();
  }
}

/** The compact revision that a watch on the prefix is cancelled with; undefined if it is not. */
async function watchFrom(client: EtcdClient, startRevision: number): Promise<number | undefined> {
  const stream = await client.watch();
  try {
    const [key, rangeEnd] = [Buffer.from('/registry/pods/'), Buffer.from('/registry/pods0')];
    stream.send({ createRequest: { key, rangeEnd, startRevision } });
    for await (const message of stream.messages()) {
      if (message.canceled) return Number(message.compactRevision);
      if (message.events.length > 0) return undefined;
    }
    throw new Error('the watch ended');
  } finally {
    stream.cancel();
  }
}

/** At the head. */
async function askHashKv(etcd: Etcd): Promise<number> {
  const json = await etcd.ctl('endpoint', 'hashkv', '-w', 'json');
  const [{ HashKV }] = JSON.parse(json) as [{ HashKV: { hash: number } }];
  return HashKV.hash;
}
