/**
 * Retire, and the fence alone, with each channel late, silent or answering for somebody else, and something
 * untrue behind it: nothing is removed, and no fence is said to stand, before it has come. docs/proofs.md
 * is the table.
 *
 * What it catches. Each of these was put into src/cutover, found, and taken out again:
 *   the head that the watch has to pass not waited for; a head below the takeover, or the target itself
 *   taken for the source; apiservers not looked at behind go, or wherever they serve from, whatever they
 *   list; the claim not guarded by the owner that was looked at, or not looked at before a page
 */
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import type { EtcdClient } from '../../src/wire/client.js';
import { fingerprint, Stage } from '../cli/stage.js';
import { status, type Reply } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';
import { Night } from './night.js';
import { Busy, failure, MeddledClient, until } from './pair.js';
import { isList, listedFrom } from './servedfrom.js';

const SILENT: Reply = [503, status(503, 'ServiceUnavailable', 'not now')];

describe('proofs of leaving', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let night: Night;
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.end());
  beforeEach(async () => {
    night = await Night.start(stage, certs());
  });
  afterEach(() => night.end());

  describe('retire', () => {
    beforeEach(() => night.cutover());

    /** Nothing has left the source. */
    async function refused(ended: Promise<unknown>, code: string): Promise<string> {
      const error = await failure(ended);
      expect(error.code, error.message).to.equal(code);
      expect((await night.pods('source')).length).to.be.at.least(4);
      return error.message;
    }

    it('an apiserver serves from the source, is silent, or lists something else: refused', async () => {
      night.serves[1] = 'source';
      await refused(night.retire(), 'STILL_USED');
      night.serves[1] = 'target';
      night.onAsked = (asked, server) =>
        Promise.resolve(server === 1 && isList(asked) ? SILENT : undefined);
      await refused(night.retire(), 'STILL_USED');
      night.onAsked = async (asked, server) => {
        const reply = await listedFrom(night.direct.target, asked);
        return server === 1 && reply ? [200, { ...(reply[1] as object), items: [] }] : undefined;
      };
      await refused(night.retire(), 'OTHER_OBJECTS');
      expect(await night.phase()).to.equal('done');
    });

    it('one goes back while it is asked: looked at again, nothing removed', async () => {
      const go = () => {
        night.serves[1] = 'source';
        return Promise.resolve(true);
      };
      await refused(night.retire({ go }), 'STILL_USED');
      expect(await night.phase()).to.equal('done');
    });

    it("the source's watch is silent, a write behind it: it waits, and says so; LATE_WRITE", async () => {
      await night.put('source', 'default/late');
      night.proxies['source watch'].stall(true);
      let asked = false;
      const ended = night.retire({ go: () => Promise.resolve((asked = true)) });
      await night.noted('whether something was written late is not known yet');
      expect(asked).to.equal(false);
      night.proxies['source watch'].stall(false);
      expect(await refused(ended, 'LATE_WRITE')).to.contain('default/late');
    });

    it("the source's watch is 0.3 s slow: LATE_WRITE", async () => {
      night.proxies['source watch'].delay(300);
      await night.put('source', 'default/late');
      await refused(night.retire(), 'LATE_WRITE');
    });

    it('a source that never was at the revision of the takeover: TARGET_OTHER_SOURCE', async () => {
      const [source, itself] = [
        new Liar(stage.source.endpoint),
        new Liar(night.targetEtcd.endpoint),
      ];
      source.lie = { revision: 2 };
      itself.lie = { clusterId: (await stage.client.head()).clusterId };
      try {
        await refused(night.retire({ source }), 'TARGET_OTHER_SOURCE');
        expect((await failure(night.retire({ source: itself }))).code).to.equal('SAME_ETCD');
        expect((await night.pods('target')).length).to.equal(4);
      } finally {
        source.close();
        itself.close();
      }
    });

    it('another run claims the night while it is asked: OTHER_RUN', async () => {
      const go = () => night.claimed().then(() => true);
      await refused(night.retire({ go }), 'OTHER_RUN');
    });

    it('another run claims the night before a page, its answer comes late: OTHER_RUN', async () => {
      let gone = false;
      night.once(
        (asked) => isList(asked) && gone,
        async () => {
          await night.claimed();
          night.proxies.target.delay(100);
        },
      );
      const go = () => Promise.resolve((gone = true));
      await refused(night.retire({ go }), 'OTHER_RUN');
    });

    it('the answer to a removal is lost: not known, so not told; the same command goes on', async () => {
      night.source.meddle = async (send) => {
        await send();
        throw new LockstepError('UNAVAILABLE', 'no answer');
      };
      expect((await failure(night.retire())).code).to.equal('UNAVAILABLE');
      expect(await night.phase()).to.equal('retiring');
      night.source.meddle = undefined;
      expect(await night.retire()).to.deep.include({ removed: true, left: 0 });
    });
  });

  describe('the fence alone', () => {
    // With others written all the while there is always something that a watch has not brought: what the
    // follower has applied before the audit begins, that need not wait for.
    let others: Busy;
    beforeEach(() => {
      const few = { atOnce: 1, everyMs: 5 };
      others = new Busy(night.direct.source, (n) => `/registry/leases/${n % 5}`, few);
    });
    afterEach(() => others.stop());

    for (const side of ['source', 'target'] as const)
      it(`the ${side}'s watch is silent: NOT_DRAINED, nothing changed`, async () => {
        const go = async () => {
          night.proxies[`${side} watch`].stall(true);
          await night.put('source', 'default/late');
        };
        const error = await failure(night.fence({ go, maxFreezeSeconds: 0.6 }));
        expect(error.code, error.message).to.equal('NOT_DRAINED');
        expect(await night.phase()).to.equal(undefined);
      });

    it('the source does not say where it is: not said to stand before it does', async () => {
      let sent = false;
      night.target.meddle = (send) => {
        if (!sent) night.proxies.source.stall(true);
        sent = true;
        return send();
      };
      const ended = night.fence({
        onRaised: ({ heads: { source, target } }) => {
          night.steps.push('raised');
          expect(target).to.be.greaterThan(source);
        },
      });
      await until(async () => (await night.phase()) === 'fenced');
      await night.foreign('source', 150);
      expect(night.steps).not.to.include('raised');
      night.proxies.source.stall(false);
      await ended;
      const { source, target } = await night.heads();
      expect(target).to.be.greaterThan(source);
      expect(night.steps).to.include('raised');
    });

    it('another source by the same cluster id: refused, nothing changed', async () => {
      await night.fence();
      const source = new Liar(stage.source.endpoint);
      source.lie = { revision: 2 };
      const before = await fingerprint(night.targetEtcd);
      const error = await failure(night.fence({ source }));
      source.close();
      expect(error.code).to.equal('TARGET_OTHER_SOURCE');
      expect(await fingerprint(night.targetEtcd)).to.deep.equal(before);
    });
  });
});

/** As an etcd with default flags, whose cluster id tells nothing. */
class Liar extends MeddledClient {
  lie: { clusterId?: string; revision?: number } = {};

  constructor(endpoint: string) {
    super(endpoint, 'source');
  }

  override async head(key?: Uint8Array): ReturnType<EtcdClient['head']> {
    return { ...(await super.head(key)), ...this.lie };
  }
}
