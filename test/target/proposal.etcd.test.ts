/** Odd revisions, hundreds of them, through a real peer port: the member lives, and has just these rows. */
import { expect } from 'chai';
import fc from 'fast-check';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/errors.js';
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import type { Record } from '../../src/mvcc/record.js';
import type { Revision } from '../../src/mvcc/revision.js';
import { CHAIN_KEY, encodeLink, newTerm, type Link } from '../../src/target/chain.js';
import type { Chained } from '../../src/target/guard.js';
import { Peers } from '../../src/target/peers.js';
import type { PeerPort } from '../../src/target/peerport.js';
import { EtcdClient } from '../../src/wire/client.js';
import { rowsOf, type OracleRow } from '../oracle/rows.js';
import { Etcd, versions } from '../rig/etcd.js';
import { drawnRecords } from './drawn.js';

const PREFIX = '/odd/';
const LEASE = 0x7e57n;
const REVISIONS = 300;
const SEED = 20;

function put(name: string, size: number): Record {
  const key = Buffer.from(PREFIX + name);
  const kv = { key, value: Buffer.alloc(size, name), modRevision: 7, version: 1 };
  return { main: 7, sub: 0, tombstone: false, key, bytes: encodeKeyValue(kv) };
}

/** What random draws do not come to: more than a request or a flat transaction may hold, and fillers. */
const LARGE: (readonly Record[] | undefined)[] = [
  [put('3 MB', 3_000_000)],
  Array.from({ length: 1500 }, (_, i) => put(`many-${i}`, 10)),
  ...new Array<undefined>(40).fill(undefined),
];

/** As etcd should have them: "revision#order key = value version lease", or deleted. */
class Rows {
  readonly lines: string[] = [];
  readonly #versions = new Map<string, number>();

  apply(revision: Revision, records: readonly Record[]): void {
    let order = 0;
    for (const { key, tombstone, bytes } of records) {
      const name = key.toString('hex');
      const version = this.#versions.get(name) ?? 0;
      // Nothing is there to be deleted: no row.
      if (tombstone && version === 0) continue;
      this.#versions.set(name, tombstone ? 0 : version + 1);
      const { value, lease } = parseKeyValue(bytes);
      const held = `= ${value.toString('hex')} v${version + 1} lease ${lease}`;
      this.lines.push(`${revision}#${order++} ${name} ${tombstone ? 'deleted' : held}`);
    }
  }
}

function line({ main, order, key, tombstone, value, version, lease }: OracleRow): string {
  const held = `= ${value.toString('hex')} v${version} lease ${lease}`;
  return `${main}#${order} ${key.toString('hex')} ${tombstone ? 'deleted' : held}`;
}

/** Where a member does not answer in time, whether they have arrived is open: they are sent again, as follow does. */
async function proposed(port: PeerPort, writes: readonly Chained[]): Promise<void> {
  for (let sent = false; !sent;)
    sent = await port.propose(writes).then(
      () => true,
      (error: unknown) => {
        if (!hasCode(error, 'PEER_PORT')) throw error;
        return false;
      },
    );
}

async function landed(port: PeerPort, { revision }: Link): Promise<void> {
  for (let at = 0; at < revision; at = (await port.look()).head) await sleep(5);
}

for (const version of versions())
  describe(`odd revisions as proposals, on etcd ${version}`, function () {
    this.timeout(60_000);
    let etcd: Etcd;
    let client: EtcdClient;
    let peers: Peers;
    let port: PeerPort;
    let link: Link;
    const rows = new Rows();

    before(async () => {
      etcd = await Etcd.start({ version });
      client = new EtcdClient(etcd.endpoint, 'target');
      peers = new Peers(client, { urls: 'members' });
      port = await peers.open();
      await client.leaseGrant(LEASE, 600);
      const { revision } = await client.head();
      link = { term: newTerm(), revision: revision + 1 };
      const first = { requestPut: { key: CHAIN_KEY, value: encodeLink(link) } };
      await client.txn({ success: [first] });
    });
    after(async () => {
      peers.close();
      client.close();
      await etcd.remove();
    });

    function next(records: readonly Record[] | undefined): Chained {
      link = { ...link, revision: link.revision + 1 };
      rows.apply(link.revision, records ?? []);
      return { link, data: records && { records, cursor: Buffer.from('{}') } };
    }

    it('each has its effect, once and in its order', async () => {
      const lease = fc.constantFrom(0n, 0n, LEASE);
      const drawn = fc.sample(drawnRecords(lease, { prefix: PREFIX }), {
        numRuns: REVISIONS,
        seed: SEED,
      });
      const writes = [...drawn.slice(0, 100), ...LARGE, ...drawn.slice(100)].map(next);
      for (let i = 0; i < writes.length; i += 50) {
        const batch = writes.slice(i, i + 50);
        await proposed(port, batch);
        // Twice: all that is behind in the line does nothing.
        if (i % 100 === 0) await proposed(port, batch);
        // No more on its way than follow would have there
        const last = batch.at(-1);
        if (last) await landed(port, last.link);
      }
      const { rows: here, head } = await rowsOf(etcd, [PREFIX]);
      expect(head).to.equal(link.revision);
      expect(here.map(line).join('\n') === rows.lines.join('\n'), 'the same rows').to.equal(true);
    });

    it('and it starts again on its log', async () => {
      await etcd.kill();
      await etcd.restart();
      const { rows: here, head } = await rowsOf(etcd, [PREFIX]);
      expect(head).to.equal(link.revision);
      expect(here).to.have.lengthOf(rows.lines.length);
    });
  });
