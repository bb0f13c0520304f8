/**
 * Clusters of three on both sides: whatever happens to one member, the follower goes on with another,
 * and a member that has lost its leader is not believed in.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { Scene } from './scene.js';
import { report } from './together.js';

const BUSY_MS = 60;
/** Until what was written after the fault has arrived; the writer has to find another member, too. */
const GOES_ON_WITHIN_MS = 30_000;

for (const which of ['source', 'target'] as const) {
  describe(`a ${which} of three members`, () => {
    let scene: Scene;

    before(async () => {
      scene = await Scene.start({
        [which]: { members: 3, partitionable: true },
        everyMs: BUSY_MS,
      });
    });
    after(() => scene.remove());
    beforeEach(() => {
      scene.writes.start();
    });

    async function survives(what: string, begin: () => Promise<void>): Promise<void> {
      const mark = scene.follower.mark();
      await begin();
      const ms = await scene.goesOn(GOES_ON_WITHIN_MS, mark);
      report(`${which}, ${what}: goes on after ${ms} ms`);
    }

    it('the leader is killed and comes back', async () => {
      const leader = await scene[which].cluster!.leader();
      await survives('leader killed', () => leader.kill());
      await leader.restart();
      await scene.exact();
    });

    it('the member that we talk to is stopped in its tracks, then goes on', async () => {
      const { etcd } = scene[which].talkedTo();
      await survives('member paused', async () => {
        etcd.pause();
        return Promise.resolve();
      });
      etcd.resume();
      await scene.exact();
    });

    it('all members are restarted, one after the other', async () => {
      for (const member of scene[which].members) {
        await survives('member restarted', () => member.restart());
      }
      await scene.exact();
    });

    it('the member that we talk to is defragmented', async () => {
      await scene[which].talkedTo().etcd.ctl('defrag');
      await scene.exact();
    });

    it('the member that we talk to loses its leader: another one is found', async () => {
      const { etcd } = scene[which].talkedTo();
      await survives('member partitioned', () => scene[which].cluster!.partition(etcd));
      await scene[which].cluster!.heal(etcd);
      await scene.exact();
    });

    it('the only member that we know loses its leader: waits, says so, goes on', async () => {
      await scene.follower.stop();
      const { cluster, members, proxies } = scene[which];
      const [etcd, proxy] = [members[1]!, proxies[1]!];
      await scene.follow({ [which]: proxy.endpoint });
      const { follower } = scene;
      const mark = follower.mark();
      await cluster!.partition(etcd);
      const { ms, status } = await follower.until(
        'waiting',
        ({ state, trouble }) => state === `waiting for the ${which}` && trouble !== null,
        { since: mark, withinMs: 20_000 },
      );
      expect(status.trouble?.code).to.equal('UNAVAILABLE');
      const toldMs = await follower.untilNote(new RegExp(`${which} .*trying again`), mark);
      report(`${which}, only member partitioned: status ${ms} ms, note ${toldMs} ms`);
      await sleep(3000);
      expect(follower.notes(mark).filter((note) => note.includes('trying again'))).lengthOf(1);
      await cluster!.heal(etcd);
      await scene.exact();
    });
  });
}
