/** The disk is full: a named error, nothing half done that counts, and with room again it goes on. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { EtcdClient } from '../../src/wire/client.js';
import { errorOf } from '../cli/run.js';
import { PREFIXES, type Op } from '../oracle/history.js';
import { compareStores, takeBase } from '../oracle/lockstep.js';
import { rowsOfFile } from '../oracle/rows.js';
import { HistoryWriter } from '../oracle/writer.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import { differsFromSource, targetDiffers } from './exact.js';
import { Pool, type Death } from './mortal.js';
import { SmallDisk } from './smalldisk.js';

const MEGABYTES = 48;
const KILOBYTE = 1024;
/** Where the disk ends, relative to what is there already. */
const ROOM = [0, 40 * KILOBYTE, 1000 * KILOBYTE];

const pages = (count: number): Op[] =>
  Array.from({ length: count }, (_, i) => ({
    kind: 'put',
    key: i % 8,
    size: 'page',
    lease: false,
  }));
/** Two megabytes and more. */
const MUCH = [...pages(400), { kind: 'foreign', count: 20 } as const];

function isFull(death: Death): void {
  expect(death.code, death.stderr).to.equal(5);
  const { code, hint, disposition } = errorOf(death);
  expect({ code, disposition }).to.deep.equal({ code: 'IO', disposition: 'fatal' });
  expect(hint).to.match(/space/);
}

describe('a full disk', function () {
  this.timeout(300_000);
  let pool: Pool;
  let disk: SmallDisk;
  let source: Etcd;
  let client: EtcdClient;
  let writer: HistoryWriter;
  let mounted: SmallDisk | undefined;

  before(function () {
    if (!haveVersion('3.5.16')) this.skip();
    pool = new Pool(1);
  });
  after(() => pool.end());

  beforeEach(async function () {
    mounted = await SmallDisk.mount(MEGABYTES);
    if (!mounted) {
      console.log('      skipped: a tmpfs needs root, or namespaces for everybody (unshare -Urm)');
      this.skip();
    }
    disk = mounted;
    source = await Etcd.start({ version: '3.5.16' });
    client = new EtcdClient(source.endpoint, 'source');
    writer = new HistoryWriter(source, client);
    await writer.all([{ kind: 'lease', keys: 300 }, ...pages(20)]);
  });
  afterEach(async () => {
    if (!mounted) return;
    client.close();
    await source.remove();
    await mounted.unmount();
  });

  it('under the journal stops the follower; the target is a part of the source, and goes on', async () => {
    const base = await takeBase(client, disk.path, 'range');
    const target = await Etcd.startFromSnapshot(base, { version: '3.5.16' });
    const follow = async (...more: string[]) => {
      const ends = ['--endpoints', source.endpoint, '--dest-endpoints', target.endpoint];
      const mortal = await pool.take();
      const journal = join(disk.path, 'journal');
      mortal.start(['follow', ...ends, '--journal', journal, '-w', 'json', ...more]);
      return { ended: mortal.ended, over: () => mortal.over };
    };
    try {
      for (const room of ROOM) {
        disk.leave(room);
        const { ended, over } = await follow();
        // What it had written before becomes a compressed table first, which makes room.
        while (!over()) await writer.all(pages(40));
        isFull(await ended);
        expect(await targetDiffers(source, target), `with ${room} bytes of room`).to.equal(
          undefined,
        );
        disk.makeRoom();
        const next = await (await follow('--until-synced')).ended;
        expect(next.code, next.stderr).to.equal(0);
        await compareStores(source, target);
      }
    } finally {
      await target.remove();
    }
  });

  for (const from of ['range', 'snapshot'])
    for (const where of ['base', 'journal'] as const)
      it(`under the ${where} of a seed from ${from}: no base, and the same command goes on`, async () => {
        await writer.all(MUCH);
        const beside = join(source.dataDir, '..');
        const out = join(where === 'base' ? disk.path : beside, 'base.db');
        const journal = join(where === 'base' ? beside : disk.path, `journal-${from}`);
        const flags = PREFIXES.flatMap((prefix) => ['--prefix', prefix]);
        const args = ['--endpoints', source.endpoint, '--journal', journal, '--out', out];
        const seed = () => pool.run(['seed', ...args, ...flags, '--from', from, '-w', 'json']);
        for (const room of ROOM) {
          disk.leave(room);
          isFull(await seed());
          expect(existsSync(out)).to.be.false;
          expect(existsSync(`${out}.part`)).to.be.false;
          disk.makeRoom();
        }
        const death = await seed();
        expect(death.code, death.stderr).to.equal(0);
        expect(await differsFromSource(source, rowsOfFile(out, PREFIXES))).to.equal(undefined);
      });
});
