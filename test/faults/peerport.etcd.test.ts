/** A peer port that is not there, is another's, or takes everything and does nothing: it goes by transactions. */
import { expect } from 'chai';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Etcd, freePorts } from '../rig/etcd.js';
import { entriesOf, HONEST } from '../rig/peerproxy.js';
import type { Status } from './follower.js';
import { burst, byProposals } from './proposing.js';
import { Scene } from './scene.js';
import { report, together } from './together.js';

const BUSY_MS = 20;
/** Behind the first failure. */
const TRIED_AGAIN_MS = 2000;
/** It is waited for 5 s, and tried again after one, two, four. */
const SILENT_MS = 12_000;
/** A target that nobody keeps waiting does not stand still for so long. */
const STANDS_MS = 4000;

/** Waits until it goes by transactions and says why. */
async function byTransactions({ follower }: Scene, why: RegExp): Promise<Status> {
  const { status } = await follower.until(
    'written by transactions',
    ({ way }) => way.by === 'transactions' && way.why !== null,
  );
  expect(status.way.why).to.include({ code: 'PEER_PORT' });
  expect(status.way.why?.message).to.match(why);
  expect(status.trouble, 'the target is followed all the same').to.equal(null);
  return status;
}

/** With this for --dest-peers it is never written by proposals, says so once, and is exact. */
async function neverBy(scene: Scene, peers: string, why: RegExp): Promise<void> {
  await scene.follower.stop();
  scene.launch({ flags: ['--dest-peers', peers] });
  const { follower } = scene;
  const from = { lines: 0, ms: Date.now() };
  await byTransactions(scene, why);
  await sleep(TRIED_AGAIN_MS);
  await scene.exact();
  const told = follower.notes(from).filter((note) => /peer|proposals/.test(note));
  expect(told.join('\n')).to.match(/by transactions/);
  expect(told, told.join('\n')).to.have.lengthOf(1);
}

describe('a peer port that does not do', () => {
  together(
    {
      'cannot be reached from the start, comes later, goes, and comes again': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const { peerProxy, peers } = scene.target;
          peerProxy.refuse();
          await neverBy(scene, peers, /cannot be reached|refused|closed|reset/);
          const mark = scene.follower.mark();
          peerProxy.refuses = false;
          scene.writes.start();
          await byProposals(scene);
          await burst(scene);
          peerProxy.refuse();
          await byTransactions(scene, /./);
          peerProxy.refuses = false;
          await byProposals(scene);
          await scene.exact();
          report(scene.follower.notes(mark).join('\n      '));
        }),

      'is a port where nobody listens': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const [port = 0] = await freePorts(1);
          await neverBy(scene, `http://127.0.0.1:${port}`, /nothing listens|refused/);
        }),

      'is the client port': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const { endpoint } = scene.target.etcd;
          await neverBy(scene, endpoint, /no etcd's peer port answers there/);
        }),

      "is another etcd's, the source's": () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const { peerPort } = scene.source.etcd;
          await neverBy(scene, `http://127.0.0.1:${peerPort}`, /a member of another cluster/);
        }),

      'takes everything, and nothing happens': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const { peerProxy, peers } = scene.target;
          peerProxy.rule = () => Promise.resolve();
          await neverBy(scene, peers, /does not show/);
          peerProxy.rule = HONEST;
          scene.writes.start();
          await byProposals(scene);
          await scene.exact();
        }),

      'never answers': () =>
        Scene.with({ everyMs: BUSY_MS, peers: true }, async (scene) => {
          await byProposals(scene);
          scene.target.peerProxy.rule = () => new Promise(() => undefined);
          await byTransactions(scene, /./);
          scene.target.peerProxy.rule = HONEST;
          await byProposals(scene);
          await scene.exact();
        }),

      'takes what is small, and never answers to more': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const { peerProxy, peers } = scene.target;
          peerProxy.rule = async (message, pass) => {
            if (entriesOf(message) > 1) await new Promise(() => undefined);
            await pass(message);
          };
          await scene.follower.stop();
          await burst(scene);
          scene.launch({ flags: ['--dest-peers', peers] });
          await byTransactions(scene, /./);
          await scene.exact();
        }),

      'takes connections and never says a word: nobody waits for it': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          const silent = createServer();
          await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
          const { port } = silent.address() as AddressInfo;
          await scene.follower.stop();
          scene.launch({ flags: ['--dest-peers', `http://127.0.0.1:${port}`] });
          const status = await byTransactions(scene, /no whole answer/);
          scene.writes.start();
          let [position, standsMs, longestMs] = [status.position ?? 0, Date.now(), 0];
          const until = Date.now() + SILENT_MS;
          await scene.follower.until('written all the time', (now) => {
            if ((now.position ?? 0) > position) {
              longestMs = Math.max(longestMs, Date.now() - standsMs);
              [position, standsMs] = [now.position ?? 0, Date.now()];
            }
            return Date.now() > until;
          });
          expect(longestMs).to.be.below(STANDS_MS);
          await scene.exact();
          silent.close();
        }),

      'is found in the list of members': () =>
        Scene.with({ everyMs: BUSY_MS }, async (scene) => {
          await scene.follower.stop();
          scene.launch({ flags: ['--dest-peers', 'members'] });
          await byProposals(scene);
          await burst(scene);
          await scene.exact();
          const { way } = scene.follower.statuses().at(-1)!;
          expect(way.where).to.contain(`http://127.0.0.1:${scene.target.etcd.peerPort}`);
        }),
    },
    4,
  );
});

/** Two etcds that were started alike have the same cluster id and the same member id. */
describe("the peer port of an etcd that cannot be told from the target's", () => {
  it('nothing happens there', async () => {
    const alike = ['--initial-advertise-peer-urls=http://localhost:2380'];
    const args = [...alike, '--initial-cluster=rig=http://localhost:2380'];
    const other = await Etcd.start({ args });
    try {
      await Scene.with({ everyMs: BUSY_MS, target: { args, restoreArgs: args } }, async (scene) => {
        const fingerprint = () => other.ctl('endpoint', 'hashkv');
        const before = await fingerprint();
        await neverBy(scene, `http://127.0.0.1:${other.peerPort}`, /does not show/);
        expect(await fingerprint()).to.equal(before);
      });
    } finally {
      await other.remove();
    }
  });
});
