/**
 * From the takeover to the end of a cutover, with each channel late, silent or answering for somebody else,
 * and something untrue behind it: no apiserver is moved, and no write let in, before it has come.
 * docs/proofs.md is its table.
 *
 * What it catches. Each of these was put into src/cutover, found, and taken out again:
 *   the head that a watch has to pass not waited for; an apiserver that is silent taken for moved
 *   the dead not waited for, or not looked at; the fence not raised, or not looked at again
 *   the freeze not proven, the epoch not compared; an apiserver taken for moved whatever it lists
 *   lists not held against the target; no look for who has gone back, or for the old ones
 * Not caught: the claim left out of proveagain.ts. The heads are asked by it as well.
 */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { Stage } from '../cli/stage.js';
import { status, type Reply } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';
import { Night } from './night.js';
import { failure, until } from './pair.js';
import { isHold, isList, listedFrom } from './servedfrom.js';

const SILENT: Reply = [503, status(503, 'ServiceUnavailable', 'not now')];

describe('proofs of the crossing', () => {
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

  /** Ends with this; writes stay frozen. */
  async function stopped(ended: Promise<unknown>, code: string, hooked = 0): Promise<string> {
    const error = await failure(ended);
    expect(error.code, error.message).to.equal(code);
    expect(night.hooked.length).to.equal(hooked);
    return error.message;
  }

  /** Behind the takeover, before anything is proven. */
  function atHold(act: () => Promise<unknown>): void {
    night.once(isHold, act);
  }

  /** As a hook does it, but for what `more` does before. */
  function hooking(more: (n: number) => Promise<unknown>): Parameters<Night['cutover']>[0] {
    return {
      switchHook: async (api) => {
        night.hooked.push(api.url);
        await more(night.hooked.length);
        night.serves[night.apis.indexOf(api)] = 'target';
      },
    };
  }

  /** A run that Ctrl-C ends when a step begins. */
  async function stoppedAt(step: string): Promise<void> {
    const stop = new AbortController();
    night.onStep = (begun) => {
      if (begun === step) stop.abort();
    };
    const ended = night.cutover({ signal: stop.signal });
    expect(await ended.then(() => 'done', String)).to.contain('AbortError');
    night.onStep = undefined;
  }

  describe('nothing came late', () => {
    it('the watch is 0.3 s slow: LATE_WRITE, nobody is moved', async () => {
      atHold(() => {
        night.proxies['source watch'].delay(300);
        return night.put('source', 'default/late');
      });
      expect(await stopped(night.cutover(), 'LATE_WRITE')).to.contain('default/late');
      expect(night.frozen).to.equal(true);
    });

    it('the watch is silent: it is waited for, and told; then LATE_WRITE', async () => {
      atHold(() => {
        night.proxies['source watch'].stall(true);
        return night.put('source', 'default/late');
      });
      const ended = night.cutover();
      await night.noted('whether something was written late is not known yet');
      await night.holds('fence');
      night.proxies['source watch'].stall(false);
      await stopped(ended, 'LATE_WRITE');
    });

    it('the watch is cut off: the same', async () => {
      atHold(() => {
        night.proxies['source watch'].refuse(true);
        night.proxies['source watch'].cut();
        return night.put('source', 'default/late');
      });
      const ended = night.cutover();
      await until(() => night.proxies['source watch'].refused > 0);
      await night.holds('fence');
      night.proxies['source watch'].refuse(false);
      await stopped(ended, 'LATE_WRITE');
    });

    it('whether one has moved is not known: it is waited for, and told; then LATE_WRITE', async () => {
      atHold(() => night.put('source', 'default/late'));
      night.onStep = (step) => {
        if (step === 'fence')
          night.onAsked = (asked) => Promise.resolve(isList(asked) ? SILENT : undefined);
      };
      const ended = night.cutover();
      await night.noted('has moved is not known');
      await night.holds('fence');
      night.onAsked = undefined;
      await stopped(ended, 'LATE_WRITE');
    });

    it('behind the first that moved: an alarm before writes are let in, and in the report', async () => {
      const more = hooking(async (n) => {
        if (n !== 2) return;
        night.proxies['source watch'].stall(true);
        await night.put('source', 'default/late');
      });
      const ended = night.cutover(more);
      await night.noted('whether something was written late is not known yet');
      await night.holds('switch');
      expect(night.frozen).to.equal(true);
      night.proxies['source watch'].stall(false);
      expect((await ended).lateWrites.count).to.equal(1);
      expect(night.alarms.join()).to.contain('late write on the source');
    });

    it('at the end of the watch: what it has not seen yet is waited for', async () => {
      let late: Promise<unknown> | undefined;
      night.onStep = (step) => {
        if (step !== 'watch') return;
        night.proxies['source watch'].stall(true);
        late = night.put('source', 'default/late');
      };
      const ended = night.cutover({ watchSeconds: 0.1 });
      await night.noted('whether something was written late is not known yet');
      await late;
      night.proxies['source watch'].stall(false);
      expect((await ended).lateWrites.count).to.equal(1);
    });
  });

  describe('the fence', () => {
    it('the source does not say where it is: nobody is moved before it does', async () => {
      night.onStep = (step) => {
        if (step === 'fence') night.proxies.source.stall(true);
      };
      const ended = night.cutover(
        hooking(async () => {
          const { source, target } = await night.heads();
          expect(target).to.be.greaterThan(source);
        }),
      );
      await night.at('fence');
      await night.foreign('source', 150);
      await night.holds('fence');
      night.proxies.source.stall(false);
      expect((await ended).alarms).to.deep.equal([]);
      expect(night.hooked.length).to.equal(2);
    });

    it('overtaken between two apiservers: the second waits until it stands again; an alarm', async () => {
      const ended = night.cutover(
        hooking(async (n) => {
          const { source, target } = await night.heads();
          expect(target).to.be.greaterThan(source);
          if (n === 2) return;
          night.target.meddle = () => {
            throw new LockstepError('NO_SPACE', 'no room');
          };
          await night.foreign('source', target - source + 50);
        }),
      );
      await until(() => night.hooked.length === 1 && night.serves.includes('target'));
      await night.noted('no room');
      await night.holds('switch');
      night.target.meddle = undefined;
      expect((await ended).alarms.join()).to.contain('the fence was overtaken');
    });
  });

  describe('each apiserver has moved', () => {
    it('a hook that did nothing, a third etcd, no answer: it is waited for, with what it does', async () => {
      night.serves.fill('source');
      let others = 0;
      night.onAsked = async (asked, server) => {
        const reply = await listedFrom(night.direct[night.serves[server]!], asked);
        if (server === 0 || night.step !== 'switch' || !reply) return undefined;
        const { items } = reply[1] as { items: object[] };
        others++;
        return others % 2 === 1
          ? SILENT
          : [200, { metadata: { resourceVersion: '999999' }, items }];
      };
      const ended = night.cutover({
        switchHook: (api) => Promise.resolve(night.hooked.push(api.url)).then(() => undefined),
      });
      await until(() => night.waits.includes('source'));
      await night.holds('switch');
      night.serves[0] = 'target';
      await until(() => night.waits.includes('neither') && night.waits.includes('does not answer'));
      await night.holds('switch');
      expect(night.frozen).to.equal(true);
      night.onAsked = undefined;
      night.serves[1] = 'target';
      await ended;
    });

    it('lists that are not what lies there: OTHER_OBJECTS, and writes stay frozen', async () => {
      night.onAsked = async (asked, server) => {
        const reply = await listedFrom(night.direct[night.serves[server]!], asked);
        if (night.serves[server] === 'source' || !reply) return undefined;
        const { metadata } = reply[1] as { metadata: { resourceVersion: string } };
        const { resourceVersion } = metadata;
        return [200, { metadata: { resourceVersion }, items: [] }];
      };
      await stopped(night.cutover(), 'OTHER_OBJECTS', 2);
      expect(night.frozen).to.equal(true);
      night.onAsked = undefined;
      await night.cutover();
      expect(night.frozen).to.equal(false);
    });

    it('one has gone back before writes are let in by the next run: it waits for it', async () => {
      await stoppedAt('unfreeze');
      expect(await night.phase()).to.equal('switched');
      night.serves[1] = 'source';
      const ended = night.cutover();
      await until(() => night.waits.includes('source'));
      await night.holds('unfreeze');
      expect(night.frozen).to.equal(true);
      night.serves[1] = 'target';
      await ended;
      expect(night.frozen).to.equal(false);
    });

    it('pre-warmed: an old one that still serves is waited for', async () => {
      night.serves[1] = 'target';
      const [old, warm] = night.apis;
      let waited = 0;
      night.onEvent = (event) => {
        if (event.kind === 'waiting' && event.until === 'gone') waited++;
      };
      const ended = night.cutover({
        ...{ apiservers: [warm!], oldApiservers: [old!] },
      });
      await until(() => waited > 0);
      await night.holds('switch');
      expect(night.frozen).to.equal(true);
      night.fakes[0]!.close();
      await ended;
    });
  });

  describe('writes are refused, and this run has the night', () => {
    it('the freeze is taken away before the second: FREEZE_LOST, it is not moved', async () => {
      const more = hooking(() => {
        night.thaw();
        return Promise.resolve();
      });
      await stopped(night.cutover(more), 'FREEZE_LOST', 1);
      expect(await night.phase()).to.equal('fenced');
    });

    it('another run claims the night before the second, the answer comes late: OTHER_RUN', async () => {
      const more = hooking(async () => {
        night.proxies.target.delay(150);
        await night.claimed();
      });
      await stopped(night.cutover(more), 'OTHER_RUN', 1);
      expect(night.frozen).to.equal(true);
    });

    it('no apiserver says whether the freeze stands: the second is not moved before one does', async () => {
      const more = hooking((n) => {
        if (n === 1)
          night.onAsked = ({ method, path }) =>
            Promise.resolve(method === 'GET' && path.includes('webhook') ? SILENT : undefined);
        return Promise.resolve();
      });
      const ended = night.cutover(more);
      await night.noted('no apiserver answers');
      await night.holds('switch');
      expect(night.hooked.length).to.equal(1);
      night.onAsked = undefined;
      await ended;
    });

    it('one that was left out as dead lives, and says so late: STILL_USED, nobody is moved', async () => {
      await stoppedAt('switch');
      const [living, dead] = night.apis;
      let proven = false;
      night.onAsked = async ({ method, path }, server) => {
        proven ||= method === 'PATCH';
        if (server !== 1 || path !== '/version') return undefined;
        await until(() => proven);
        await sleep(300);
        return undefined;
      };
      const ended = night.cutover({ apiservers: [living!], without: [dead!] });
      expect(await stopped(ended, 'STILL_USED')).to.contain(dead!.url);
      expect(night.frozen).to.equal(true);
    });
  });

  it('an apiserver that learns late of the end of the freeze is waited for, by name', async () => {
    night.onStep = (step) => {
      if (step === 'unfreeze') night.fakes[1]!.late = 4;
    };
    await night.cutover();
    expect(night.notes.join()).to.match(/waiting for .*is still refused/);
  });

  it('one that goes back when all is over is told, by name', async () => {
    night.onStep = (step) => {
      if (step === 'watch') night.serves[1] = 'source';
    };
    const report = await night.cutover();
    expect(report.alarms).to.have.length(1);
    expect(report.alarms[0]).to.contain(
      `${night.apis[1]?.url ?? '?'} serves from the source again`,
    );
    expect(await night.phase()).to.equal('done');
  });
});
