/**
 * What a seed and an audit cannot do without: a side, or both at the same time, read by paged Range.
 * `node --import=tsx read-by-range.ts PREFIX ENDPOINT…` prints the seconds that it took.
 */
import { prefixRange } from '../../src/mvcc/prefix.js';
import { readPages } from '../../src/source/pages.js';
import { EtcdClient } from '../../src/wire/client.js';

const [prefix = '', ...endpoints] = process.argv.slice(2);

async function read(endpoint: string): Promise<void> {
  const client = new EtcdClient(endpoint, 'source');
  const { revision } = await client.head();
  for await (const _ of readPages(client, prefixRange(prefix), revision));
  client.close();
}

const started = performance.now();
await Promise.all(endpoints.map(read));
process.stdout.write(`${(performance.now() - started) / 1000}\n`);
