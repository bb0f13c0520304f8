/**
 * A rollback, with each channel late, silent or answering for somebody else, and something untrue behind it:
 * nothing that was accepted is undone or forgotten, no apiserver goes back, no write is let in, before it
 * has come. docs/proofs.md is its table.
 *
 * What it catches. Each of these was put into src/cutover, found, and taken out again:
 *   the head that a watch has to pass not waited for, in the quiet, behind the comparison, at the end
 *   an apiserver that is silent taken for moved; whatever is on the target taken for what was taken over
 *   late writes of the comparison passed by; the source not raised; the epoch not compared, or its loss
 *   taken for something that passes; lists, silent ones, and who is on the target again not looked at
 */
import { expect } from 'chai';
import type { NightOptions } from '../../src/cutover/nightoptions.js';
import { Stage } from '../cli/stage.js';
import { status, type Reply } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';
import { Night } from './night.js';
import { failure, until } from './pair.js';
import { isHold, isList, listedFrom } from './servedfrom.js';

const SILENT: Reply = [503, status(503, 'ServiceUnavailable', 'not now')];
const NOT_KNOWN = 'whether something was written late is not known yet';

describe('proofs of the way back', () => {
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

  /** A cutover that Ctrl-C ends when a step begins: at `switch` nobody has moved. */
  async function cutoverUntil(step: string): Promise<void> {
    await stopped(step, (signal) => night.cutover({ signal }));
  }

  async function stopped(step: string, run: (signal: AbortSignal) => Promise<unknown>) {
    const stop = new AbortController();
    night.onStep = (begun) => {
      if (begun === step) stop.abort();
    };
    expect(await run(stop.signal).then(() => 'done', String)).to.contain('AbortError');
    night.onStep = undefined;
    night.hooked.length = 0;
  }

  /** When a step of the rollback begins. */
  function at(step: string, act: () => void): void {
    night.onStep = (begun) => {
      if (begun === step) act();
    };
  }

  async function moved(): Promise<void> {
    await night.cutover();
    night.hooked.length = 0;
  }

  describe('before anything is changed', () => {
    it('an apiserver that does not answer, or lists something else: refused', async () => {
      await moved();
      const before = await night.heads();
      night.onAsked = (asked, server) =>
        Promise.resolve(server === 1 && isList(asked) ? SILENT : undefined);
      expect((await failure(night.rollback())).code).to.equal('KUBE_UNAVAILABLE');
      night.onAsked = async (asked, server) => {
        const reply = await listedFrom(night.direct.target, asked);
        return server === 1 && reply ? [200, { ...(reply[1] as object), items: [] }] : undefined;
      };
      expect((await failure(night.rollback())).code).to.equal('OTHER_OBJECTS');
      expect(await night.phase()).to.equal('done');
      expect(await night.heads()).to.deep.equal(before);
      expect(night.frozen).to.equal(false);
    });
  });

  describe('what counts', () => {
    it('nobody has moved, and one is silent: it is waited for; a late write stays', async () => {
      await cutoverUntil('switch');
      await night.put('source', 'default/late');
      at('quiet', () => {
        night.onAsked = (asked, server) =>
          Promise.resolve(server === 1 && isList(asked) ? SILENT : undefined);
      });
      const ended = night.rollback();
      await night.noted('has moved is not known');
      await night.holds('quiet');
      night.onAsked = undefined;
      expect((await ended).brought).to.deep.include({ put: 0, deleted: 0 });
      expect(await night.pods('source')).to.include('default/late');
    });

    it('a write that was under way to the target when it was frozen is brought', async () => {
      await cutoverUntil('switch');
      // Through one that was forgotten: all that are named serve from the source.
      night.once(isHold, () => Promise.resolve());
      let late: Promise<unknown> | undefined;
      at('quiet', () => {
        late = night.put('target', 'default/late');
      });
      const { brought } = await night.rollback({ quietMs: 200 });
      await late;
      expect(brought).to.include({ put: 1 });
      expect(await night.pods('source')).to.include('default/late');
    });

    it("the target's watch is silent: the quiet waits for it, and says so; all is brought", async () => {
      await moved();
      let late: Promise<unknown> | undefined;
      at('quiet', () => {
        night.proxies['target watch'].stall(true);
        late = night.put('target', 'default/late');
      });
      const ended = night.rollback();
      await night.noted(NOT_KNOWN);
      await late;
      await night.holds('quiet');
      night.proxies['target watch'].stall(false);
      await ended;
      expect(await night.pods('source')).to.include('default/late');
    });

    it('written on the target while it is compared, and the watch is silent: WRITTEN_MEANWHILE', async () => {
      await moved();
      let late: Promise<unknown> | undefined;
      at('compare', () => {
        night.proxies['target watch'].stall(true);
        // The same content, so that no comparison shows it.
        late = night.put('target', 'default/a');
      });
      const ended = night.rollback();
      await night.noted(NOT_KNOWN);
      await late;
      await night.holds('compare');
      night.proxies['target watch'].stall(false);
      expect((await failure(ended)).code).to.equal('WRITTEN_MEANWHILE');
      expect(night.hooked).to.deep.equal([]);
      night.onStep = undefined;
      await night.rollback();
    });
  });

  it("the source does not say where it is: nobody goes back before it stands above the target's", async () => {
    await moved();
    at('raise', () => {
      night.proxies.source.stall(true);
    });
    const ended = night.rollback(
      hooking(async () => {
        const { source, target } = await night.heads();
        expect(source).to.be.greaterThan(target);
      }),
    );
    await night.at('raise');
    await night.foreign('target', 150);
    await night.holds('raise');
    night.proxies.source.stall(false);
    await ended;
    expect(night.hooked.length).to.equal(2);
  });

  describe('each apiserver has gone back', () => {
    it('a hook that did nothing: it is waited for, writes stay frozen', async () => {
      await moved();
      const ended = night.rollback({
        switchHook: ({ url }) => Promise.resolve(night.hooked.push(url)).then(() => undefined),
      });
      await until(() => night.waits.includes('target'));
      await night.holds('switch');
      expect(night.frozen).to.equal(true);
      night.serves.fill('source');
      await ended;
    });

    it('lists that are not what lies there: OTHER_OBJECTS, and writes stay frozen', async () => {
      await moved();
      at('switch', () => {
        night.onAsked = async (asked, server) => {
          const reply = await listedFrom(night.direct[night.serves[server]!], asked);
          if (night.serves[server] === 'target' || !reply) return undefined;
          return [200, { ...(reply[1] as object), items: [] }];
        };
      });
      expect((await failure(night.rollback())).code).to.equal('OTHER_OBJECTS');
      expect(await night.phase()).to.equal('rolling back');
      expect(night.frozen).to.equal(true);
    });

    it('one is on the target again before writes are let in by the next run: it waits', async () => {
      await moved();
      await stopped('unfreeze', (signal) => night.rollback({ signal }));
      expect(await night.phase()).to.equal('switched back');
      night.serves[1] = 'target';
      const ended = night.rollback();
      await until(() => night.waits.includes('target'));
      expect(night.frozen).to.equal(true);
      expect(night.step).to.equal('preflight');
      night.serves[1] = 'source';
      await ended;
      expect(night.frozen).to.equal(false);
    });
  });

  describe('writes are refused, and this run has the night', () => {
    it('the freeze is taken away before the second: FREEZE_LOST, it stays', async () => {
      await moved();
      const more = hooking(() => {
        night.thaw();
        return Promise.resolve();
      });
      expect((await failure(night.rollback(more))).code).to.equal('FREEZE_LOST');
      expect(night.hooked.length).to.equal(1);
      expect(await night.phase()).to.equal('rolling back');
    });

    it('another run claims the night before the second, the answer comes late: OTHER_RUN', async () => {
      await moved();
      const more = hooking(async () => {
        night.proxies.target.delay(150);
        await night.claimed();
      });
      expect((await failure(night.rollback(more))).code).to.equal('OTHER_RUN');
      expect(night.hooked.length).to.equal(1);
      expect(night.frozen).to.equal(true);
    });
  });

  it('at the end of the watch: what it has not seen yet is waited for', async () => {
    await moved();
    let late: Promise<unknown> | undefined;
    at('watch', () => {
      night.proxies['target watch'].stall(true);
      late = night.put('target', 'default/late');
    });
    const ended = night.rollback({ watchSeconds: 0.1 });
    await night.noted(NOT_KNOWN);
    await late;
    night.proxies['target watch'].stall(false);
    expect((await ended).lateWrites.length).to.equal(1);
    expect(night.alarms.join()).to.contain('late write on the target');
  });

  /** As a hook does it, but for what `more` does before. */
  function hooking(more: (n: number) => Promise<unknown>): Partial<NightOptions> {
    return {
      switchHook: async (api) => {
        night.hooked.push(api.url);
        await more(night.hooked.length);
        night.serves[night.apis.indexOf(api)] = 'source';
      },
    };
  }

  it('one that goes to the target again when all is over is told, by this run and by the next', async () => {
    await moved();
    night.onStep = (step) => {
      if (step === 'watch') night.serves[1] = 'target';
    };
    const text = `${night.apis[1]?.url ?? '?'} serves from the target again`;
    for (const report of [await night.rollback(), await night.rollback()]) {
      expect(report.alarms).to.have.length(1);
      expect(report.alarms[0]).to.contain(text);
    }
    expect(await night.phase()).to.equal('rolled back');
  });
});
