/** Bringing back that takes longer than an etcd keeps its history: another run goes on, no seed is needed. */
import { expect } from 'chai';
import { bringBack } from '../../src/cutover/bringkeys.js';
import { LockstepError } from '../../src/errors.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import type { EtcdClient } from '../../src/wire/client.js';

const header = { clusterId: 'c', revision: 5 };

function etcd(range: () => Promise<unknown>): EtcdClient {
  return { side: 'source', head: () => Promise.resolve(header), range } as unknown as EtcdClient;
}

describe('bringing back', () => {
  it('what is compacted away meanwhile is read by another try', async () => {
    const gone = new LockstepError('COMPACTED', 'compacted', { side: 'source' });
    const error: unknown = await bringBack({
      source: etcd(() => Promise.reject(gone)),
      target: etcd(() => Promise.resolve({ header, rows: [], more: false, count: 0 })),
      prefixes: PrefixSet.of(['/a/', '/b/']),
      exact: 3,
      marker: { created: 4, guard: {} },
      onProgress: () => undefined,
      signal: new AbortController().signal,
    }).catch((thrown: unknown) => thrown);
    expect(error).to.include({ code: 'COMPACTED_MEANWHILE', disposition: 'retry', side: 'source' });
  });
});
