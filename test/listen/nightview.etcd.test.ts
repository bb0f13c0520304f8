/**
 * What is kept of a night, and shown of it: exactly what has happened, at each step, also where it fails.
 */
import { expect } from 'chai';
import type { NightEnd, NightLog } from '../../src/cutover/nightlog.js';
import { verdict, whatIsLeft, writesNow } from '../../src/cutover/nightoutcome.js';
import { nightView } from '../../src/listen/nightview.js';
import { EventLog } from '../../src/listen/eventlog.js';
import type { View } from '../../src/listen/view.js';
import { Stage } from '../cli/stage.js';
import { withCerts } from '../kube/scene.js';
import { Night } from '../cutover/night.js';
import { isHold } from '../cutover/servedfrom.js';

const FACTS = {
  version: '1.2.3',
  startedAt: new Date(),
  events: new EventLog(),
  readyLagSeconds: 10,
};

describe('what is kept of a night', () => {
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

  const viewOf = ({ record }: NightLog): View => nightView(record, FACTS);
  const states = ({ record }: NightLog) => record.steps.map(({ state }) => state);

  /** Runs to its end, whatever that is. */
  async function ended<T>(running: Promise<T>, kind: (report: T) => NightEnd): Promise<void> {
    const { log } = night;
    await running.then(
      (report) => {
        log.ended(kind(report));
      },
      (error: unknown) => {
        log.failed(error, false);
      },
    );
  }
  const cutOver = (more: Parameters<Night['cutover']>[0] = {}) =>
    ended(night.cutover(more), (report) => ({ kind: 'cutover', report }));

  it('of a cutover: each step, the freeze, the fence, who has moved and from where', async () => {
    const seen: View[] = [];
    await cutOver({
      switchHook: (api) => {
        seen.push(viewOf(night.log));
        night.serves[night.apis.indexOf(api)] = 'target';
        return Promise.resolve();
      },
    });
    const { record } = night.log;
    const { end } = record;
    if (end?.kind !== 'cutover') throw new Error(JSON.stringify(end));

    expect(states(night.log)).to.deep.equal(Array.from({ length: 10 }, () => 'done'));
    expect(record.steps.map(({ name, seconds }) => ({ step: name, seconds }))).to.deep.equal(
      end.report.steps,
    );
    expect(record.taken).to.include({ exact: end.report.exact, checksum: end.report.checksum });
    expect(record.audit?.report).to.include({ equal: true, differences: 0 });
    expect(record.fence?.lowest.ahead).to.be.greaterThan(0);
    expect(record.fence?.heads).to.deep.equal(end.report.heads);
    for (const one of record.apiservers) {
      expect(one.before?.from).to.equal('source');
      expect(one.now?.from).to.equal('target');
      expect(one.movedAt).to.be.within(record.frozenAt!, record.thawedAt!);
    }
    expect([writesNow(record), verdict(record)]).to.deep.equal([
      'let in again',
      `CUT OVER; exact copy up to revision ${end.report.exact}`,
    ]);

    const [first, second] = seen;
    expect(first).to.include({ state: 'running', ready: true, mood: 'working' });
    expect(first?.sentence).to.match(/^Step 8 of 10, switch: .*writes refused for .*; 0 of 2 /);
    expect(second?.sentence).to.contain('1 of 2 apiservers have moved');
    expect(second?.night).to.include({ exact: end.report.exact, thawedAt: null });
    expect(second?.night?.fence?.ahead).to.be.greaterThan(0);
    expect(second?.night?.steps.map(({ state }) => state)).to.deep.equal([
      ...Array.from({ length: 7 }, () => 'done'),
      ...['now', 'to do', 'to do'],
    ]);
    const last = viewOf(night.log);
    expect(last.night?.fence).to.equal(null);
    expect(last).to.include({ state: 'done', ready: true, mood: 'well', trouble: null });
    expect(last.night).to.include({ waitsFor: null, thawedAt: record.thawedAt?.toISOString() });
  });

  it('that fails before the takeover: writes were let in again, and it says what to do', async () => {
    night.target.meddle = () => Promise.reject(new Error('a bug, as it were'));
    await cutOver();
    const { record } = night.log;
    expect(verdict(record)).to.equal(
      'FAILED in step 6, takeover: writes were let in again, and nothing was changed',
    );
    expect(record.taken).to.equal(null);
    expect(states(night.log).slice(4, 7)).to.deep.equal(['done', 'failed', 'to do']);
    expect(viewOf(night.log)).to.include({ state: 'failed', ready: false, mood: 'trouble' });
  });

  it('that fails behind it: writes stay frozen, and the same command goes on', async () => {
    night.once(isHold, () => night.put('source', 'default/late'));
    await cutOver();
    const { record } = night.log;
    expect(verdict(record)).to.equal('FAILED in step 7, fence: writes stay frozen');
    expect(night.frozen).to.equal(true);
    expect(whatIsLeft(record).map(({ command }) => command)).to.include.members([
      'etcd-lockstep cutover',
      'etcd-lockstep rollback',
    ]);
    expect(viewOf(night.log).trouble).to.include({ code: 'LATE_WRITE' });
    expect(record.alarmCount).to.equal(1);
  });

  it('that was begun by another run: what that did is passed over, and its freeze is known', async () => {
    night.onStep = (step) => {
      if (step === 'switch') throw new Error('never told');
    };
    const stop = new AbortController();
    await cutOver({
      signal: stop.signal,
      switchHook: () => {
        stop.abort();
        return Promise.resolve();
      },
    });
    expect(verdict(night.log.record)).to.equal('STOPPED in step 8, switch: writes stay frozen');
    // Who listened has failed, which ended nothing.
    expect(night.notes.join()).to.contain('who listens to the night has failed');
    const frozenAt = night.log.record.frozenAt;

    night.onStep = undefined;
    await cutOver();
    const { record } = night.log;
    expect(record.earlier).to.equal('fenced');
    expect(states(night.log)).to.deep.equal([
      ...Array.from({ length: 6 }, () => 'passed over'),
      ...Array.from({ length: 4 }, () => 'done'),
    ]);
    expect(record.frozenAt).to.deep.equal(frozenAt);
    expect(verdict(record)).to.contain('CUT OVER; exact');
  });

  it('of a rollback: the source is kept above, and who goes back', async () => {
    await cutOver();
    await ended(night.rollback(), (report) => ({ kind: 'rollback', report }));
    const { record } = night.log;
    expect(verdict(record)).to.equal('ROLLED BACK');
    expect(record.earlier).to.equal('done');
    expect(record.fence?.lowest.ahead).to.be.greaterThan(0);
    const { heads } = record.fence!;
    expect(heads.source).to.be.greaterThan(heads.target);
    for (const { before, now } of record.apiservers)
      expect([before?.from, now?.from]).to.deep.equal(['target', 'source']);
  });

  it('of a fence alone, while it is kept and when it has ended', async () => {
    const stop = new AbortController();
    let kept: View | undefined;
    let silent: View | undefined;
    night.onEvent = (event) => {
      const { fence } = night.log.record;
      if (event.kind !== 'heads' || night.step !== 'keep' || !fence) return;
      kept ??= viewOf(night.log);
      // As if no head had been heard of since.
      fence.at = new Date(Date.now() - 60_000);
      silent ??= viewOf(night.log);
      stop.abort();
    };
    await ended(
      night.fence({
        ...{ once: false, signal: stop.signal },
        onRaised: (report) => {
          night.log.raised(report);
        },
      }),
      () => ({ kind: 'fence' }),
    );
    expect(kept).to.include({ state: 'kept', ready: true, mood: 'well' });
    expect(kept?.night?.fence?.ahead).to.be.at.least(100);
    expect(silent).to.include({ state: 'kept', ready: false, mood: 'trouble' });
    expect(silent?.sentence).to.contain('; nobody knows whether the fence stands');
    expect(night.steps).to.deep.equal(['drain', 'compare', 'takeover', 'raise', 'keep']);
    expect(verdict(night.log.record)).to.match(/^FENCED; exact copy up to revision \d+$/);
  });
});
