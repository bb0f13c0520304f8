/** Writes that are lost, late or doubled; a process that dies; a second mirror. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { KeyMap } from '../../src/mirror/keymap.js';
import { Pool } from '../crash/mortal.js';
import { FaultProxy } from '../rig/proxy.js';
import { del, Pair, put } from './pair.js';

describe("a mirror's writes", () => {
  let pair: Pair;
  let pool: Pool;
  before(async () => {
    pool = new Pool(1);
    pair = await Pair.start();
  });
  after(async () => {
    await pool.end();
    await pair.end();
  });

  function args(map: KeyMap): string[] {
    return [
      ...['mirror', '--endpoints', pair.source.endpoint, '--dest-endpoints', pair.target.endpoint],
      ...['--prefix', map.prefix, '--until-synced', '-w', 'json'],
    ];
  }

  /** The target counts each put of the source once: nothing was written twice. */
  async function expectOnce(map: KeyMap): Promise<void> {
    await pair.expectEqual(map);
    const [source, target] = [await pair.held('source', map), await pair.held('target', map)];
    for (const [name, { version }] of source) expect(target.get(name)?.version).to.equal(version);
  }

  /** One after another, each goes on where the last one died; the first passing is the claim's. */
  const DEATHS = {
    base: ['mirror.copy.answer:3'],
    tail: ['mirror.copy.answer:2', 'mirror.copy.send:3:1'],
  };

  it('die with their process, in the base and in the tail, before, while and after they are sent', async () => {
    const map = new KeyMap('/deaths/');
    await pair.fill('/deaths/', 900);
    const die = async (spell: string) => {
      const { signal, stderr } = await pool.run(args(map), { LOCKSTEP_FAILPOINT: spell });
      expect(signal, `${spell}: ${stderr}`).to.equal('SIGKILL');
    };
    for (const spell of DEATHS.base) await die(spell);
    expect((await pair.cursor(map))?.revision).to.equal(null);
    await pair.sync(map);
    await expectOnce(map);
    // A key's next put goes into the next transaction, so there is more than one.
    for (let i = 0; i < 40; i++) await pair.write(put(`/deaths/00000${i % 10}`, `again ${i}`));
    await pair.write(del('/deaths/000899'));
    for (const spell of DEATHS.tail) await die(spell);
    await pair.sync(map);
    await expectOnce(map);
    expect((await pair.held('target', map)).size).to.equal(899);
  });

  it('answers that are lost, connections that are cut: nothing is written twice', async () => {
    const map = new KeyMap('/lost/');
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: pair.target.clientPort });
    const running = pair.running(map, { target: proxy.endpoint });
    try {
      await running.caughtUp(pair);
      for (let time = 0; time < 8; time++) {
        proxy.dropAnswers(time % 2 === 0);
        for (let i = 0; i < 10; i++) await pair.write(put(`/lost/${i}`, `${time}-${i}`));
        await sleep(60);
        if (time % 2 === 1) proxy.cut();
      }
      proxy.dropAnswers(false);
      await running.caughtUp(pair);
      await expectOnce(map);
    } finally {
      await running.stop();
      await proxy.close();
    }
  });

  it('a second mirror of the same: the first one stops, and says who has taken over', async () => {
    const map = new KeyMap('/both/');
    await pair.fill('/both/', 10);
    const first = pair.running(map);
    await first.caughtUp(pair);
    const second = pair.running(map);
    await second.caughtUp(pair);
    const id = (await pair.cursor(map))?.mirror ?? '';
    await pair.write(put('/both/a'), put('/both/b'));
    const error: unknown = await first.ended.catch((e: unknown) => e);
    expect(error).to.be.instanceOf(LockstepError).with.property('code', 'TARGET_TAKEN_OVER');
    expect((error as LockstepError).message).to.contain(id);
    await second.caughtUp(pair);
    await second.stop();
    await expectOnce(map);
  });

  it('a cursor that was deleted under it: stops, and the next one compares', async () => {
    const map = new KeyMap('/cursor/');
    await pair.fill('/cursor/', 10);
    const running = pair.running(map);
    await running.caughtUp(pair);
    const { clusterId } = await pair.from.status();
    await pair.to.txn({ success: [del(`etcd-lockstep/mirror/${clusterId}:/cursor/:/cursor/`)] });
    await pair.write(put('/cursor/a'));
    const error: unknown = await running.ended.catch((e: unknown) => e);
    expect(error).to.be.instanceOf(LockstepError).with.property('code', 'TARGET_HEAD_OFF');
    expect((await pair.sync(map)).status.puts).to.equal(1);
    await pair.expectEqual(map, 11);
  });
});
