/** What apply sends, held against real servers: one revision, all of it, in order. */
import { expect } from 'chai';
import { encodeKeyValue, parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { prefixRange } from '../../src/mvcc/prefix.js';
import type { Record } from '../../src/mvcc/record.js';
import type { Revision } from '../../src/mvcc/revision.js';
import { CURSOR_KEY } from '../../src/target/cursor.js';
import { SLOTS, type Guard } from '../../src/target/guard.js';
import { EtcdTarget } from '../../src/target/target.js';
import { EtcdClient } from '../../src/wire/client.js';
import { etcdserverpb as pb } from '../../src/wire/gen/etcd.js';
import { Etcd, versions } from '../rig/etcd.js';

const PREFIX = '/pods/';

/** Apply does not look into the cursor, and neither does etcd. */
const CURSOR = Buffer.from('cursor');

function record(sub: number, name: string, value?: string): Record {
  const key = Buffer.from(PREFIX + name);
  const bytes = encodeKeyValue(value === undefined ? { key } : { key, value: Buffer.from(value) });
  return { main: 0, sub, tombstone: value === undefined, key, bytes };
}

function puts(count: number): Record[] {
  return Array.from({ length: count }, (_, i) => record(i, String(i), `value ${i}`));
}

function deletes(count: number): Record[] {
  return Array.from({ length: count }, (_, i) => record(i, String(i)));
}

/** What a watch is to say of a record: an event is its row. */
function eventOf({ key, tombstone }: Record, revision: Revision): string {
  return `${tombstone ? 'delete' : 'put'} ${key.toString()} @${revision}`;
}

/** `count` events under a prefix from `startRevision` on, in the order in which they came. */
async function watched(
  client: EtcdClient,
  startRevision: Revision,
  count: number,
): Promise<string[]> {
  const stream = await client.watch();
  stream.send({ createRequest: { ...prefixRange(PREFIX), startRevision } });
  const events: string[] = [];
  for await (const message of stream.messages()) {
    for (const event of message.events) {
      const { key, modRevision } = parseKeyValue(event.kv ?? new Uint8Array());
      const kind = event.type === pb.Event.EventType.DELETE ? 'delete' : 'put';
      events.push(`${kind} ${key.toString()} @${modRevision}`);
    }
    if (events.length >= count) break;
  }
  return events;
}

for (const version of versions())
  describe(`a revision as a transaction, on etcd ${version}`, function () {
    this.timeout(60_000);
    let etcd: Etcd;
    let client: EtcdClient;
    let target: EtcdTarget;
    let head: Revision;
    let cursorMod: Revision;

    before(async () => {
      etcd = await Etcd.start({ version });
      client = new EtcdClient(etcd.endpoint, 'target');
      target = new EtcdTarget(client);
      ({ revision: head } = await client.head());
      cursorMod = 0;
    });

    after(async () => {
      client.close();
      await etcd.remove();
    });

    function guardedBy(slots: Guard['slots']): Guard {
      return {
        chainMod: 0,
        cursorMod,
        cursor: cursorMod > 0 ? CURSOR : undefined,
        slots,
        landed: [],
      };
    }

    /** Writes the records as the next revision and checks that this is what it became. */
    async function write(records: readonly Record[], slots: Guard['slots'] = []): Promise<void> {
      const effect = { kind: 'cursor', records, cursor: CURSOR } as const;
      const answer = await target.write(guardedBy(slots), effect);
      expect(answer).to.deep.equal({ succeeded: true, revision: head + 1 });
      cursorMod = head = answer.revision;
      expect((await client.head()).revision).to.equal(head);
      expect(await watched(client, head, records.length)).to.deep.equal(
        records.map((one) => eventOf(one, head)),
      );
      const { rows } = await client.range({ key: CURSOR_KEY });
      expect(rows.map((row) => parseKeyValue(row).modRevision)).to.deep.equal([head]);
    }

    async function rows(): Promise<string[]> {
      const answer = await client.range(prefixRange(PREFIX));
      return answer.rows
        .map(parseKeyValue)
        .map((kv) => `${kv.key.toString()}=${kv.value.toString()} v${kv.version}`);
    }

    it('4,000 puts are one, and 4,000 deletes', async () => {
      const all = puts(4000);
      await write(all);
      expect(await rows()).to.have.lengthOf(all.length);
      await write(deletes(4000));
      expect(await rows()).to.be.empty;
    });

    it('a put and the deletion of what it put are one', async () => {
      await write([record(0, 'a', '1'), record(1, 'b', '1'), record(2, 'a')]);
      expect(await rows()).to.deep.equal([`${PREFIX}b=1 v1`]);
      await write([record(0, 'b', '2'), record(1, 'b'), record(2, 'a', '2')]);
      expect(await rows()).to.deep.equal([`${PREFIX}a=2 v1`]);
      await write([record(0, 'a')]);
    });

    it('300 puts are one under the guard of the cursor and all slots', async () => {
      const slots = Array.from({ length: SLOTS }, (_, slot) => ({ slot, mod: 0 }));
      await write(puts(300), slots);
      expect(await rows()).to.have.lengthOf(300);
    });

    it('a filler is one, and shows in the next read', async () => {
      const before = await target.read().catch((error: unknown) => error);
      expect(before, 'the cursor here is no cursor').to.have.property('code', 'TARGET_NOT_OURS');
      const guard = guardedBy([{ slot: 7, mod: 0 }]);
      const first = await target.write(guard, { kind: 'filler', slot: 7 });
      expect(first).to.deep.equal({ succeeded: true, revision: head + 1 });
      const again = await target.write(guard, { kind: 'filler', slot: 7 });
      expect(again).to.deep.equal({ succeeded: false, revision: head + 1 });
      head++;
    });

    it('nothing happens where the cursor says something else', async () => {
      const guard = { ...guardedBy([]), cursor: Buffer.from('not this') };
      const answer = await target.write(guard, { kind: 'filler', slot: 8 });
      expect(answer).to.deep.equal({ succeeded: false, revision: head });
    });

    it('nothing happens where one guard of 34 does not hold', async () => {
      const slots = Array.from({ length: SLOTS }, (_, slot) => ({ slot, mod: 0 }));
      const effect = {
        kind: 'cursor',
        records: deletes(300),
        cursor: CURSOR,
      } as const;
      const answer = await target.write(guardedBy(slots), effect);
      expect(answer).to.deep.equal({ succeeded: false, revision: head });
      expect(await rows()).to.have.lengthOf(300);
    });
  });
