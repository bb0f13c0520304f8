/** What is shown of work that goes on: on a terminal, in a log, and how long it still takes. */
import { install, type Clock } from '@sinonjs/fake-timers';
import { expect } from 'chai';
import { ProgressLine } from '../../src/cli/progressline.js';
import { showEvent } from '../../src/cli/shownsteps.js';
import type { NightStep } from '../../src/cutover/steps.js';
import { Estimate } from '../../src/rate.js';

describe('a progress line', () => {
  let clock: Clock;
  let written: string[];
  let logged: string[];

  beforeEach(() => {
    clock = install();
    written = [];
    logged = [];
  });
  afterEach(() => {
    clock.uninstall();
  });

  const line = (columns: number | undefined, everyMs?: number) =>
    new ProgressLine({
      write: (text) => written.push(text),
      columns: columns === undefined ? undefined : () => columns,
      log: (text) => logged.push(text),
      everyMs,
    });

  /** The last text that stands on the terminal. */
  const shown = () => written.at(-1)?.replace('\r\x1b[K', '');

  it('on a terminal: rewritten in place, cut to its width, a few times a second', () => {
    const progress = line(60);
    for (let i = 0; i < 10; i++) {
      clock.tick(100);
      progress.show(() => `${i}`.padEnd(80, '.'));
    }
    expect(written).to.have.lengthOf(5);
    expect(shown()).to.have.lengthOf(59);
    expect(logged).to.deep.equal([]);
  });

  it('of a terminal that does not say how wide it is, 80 columns are filled', () => {
    const progress = line(0);
    progress.show(() => '.'.repeat(100), true);
    expect(shown()).to.have.lengthOf(79);
  });

  it('elsewhere: a line of the log, as often as was asked for', () => {
    const progress = line(undefined, 2000);
    for (let i = 1; i <= 10; i++) {
      clock.tick(1000);
      progress.show(() => `second ${i}`);
    }
    expect(logged).to.deep.equal([2, 4, 6, 8, 10].map((n) => `second ${n}`));
    expect(written).to.deep.equal([]);
  });

  it('nowhere, where results are JSON', () => {
    const progress = line(undefined);
    clock.tick(60_000);
    progress.show(() => 'x', true);
    expect([...written, ...logged]).to.deep.equal([]);
  });

  it('the frozen time of a cutover runs on while a step waits, and ends with the freeze', () => {
    const progress = line(60);
    const info = (text: string) => {
      progress.clear();
      logged.push(text);
    };
    const show = showEvent(
      {
        json: false,
        log: { info, error: () => undefined },
        progress,
        print: () => undefined,
      } as unknown as Parameters<typeof showEvent>[0],
      () => [],
    );
    const onStep = (step: NightStep) => {
      show({ kind: 'step', step });
    };
    const step = (name: string, number: number, frozenSeconds: number | null): NightStep => ({
      ...{
        name,
        number,
        of: 10,
        does: 'does',
        waitsFor: 'it',
        ifAborted: 'nothing',
        frozenSeconds,
      },
    });
    onStep(step('switch', 8, 2.5));
    clock.tick(10_000);
    expect(shown()).to.equal('[8/10] switch; frozen for 12.5 s');
    clock.tick(1000);
    expect(shown()).to.equal('[8/10] switch; frozen for 13.5 s');
    onStep(step('watch', 10, null));
    const before = written.length;
    clock.tick(10_000);
    expect(written).to.have.lengthOf(before);
    onStep(step('switch', 8, 0));
    progress.end();
    clock.tick(10_000);
    expect(written.slice(before)).to.deep.equal([]);
    expect(logged).to.have.lengthOf(3);
  });
});

describe('an estimate', () => {
  it('says nothing before it can tell, and then what is left', () => {
    const estimate = new Estimate();
    expect(estimate.left(0, 0)).to.equal(undefined);
    // The first page of millions of keys, at once: no 318 hours.
    expect(estimate.left(0.0001, 50)).to.equal(undefined);
    expect(estimate.left(0.0005, 10_000)).to.equal(undefined);
    const quick = new Estimate();
    quick.left(0, 0);
    expect(quick.left(0.5, 1000)).to.equal(undefined);
    expect(estimate.left(0.25, 10_000)).to.be.closeTo(30, 0.01);
    expect(estimate.left(1, 40_000)).to.equal(0);
  });

  it('of work that was begun anew it tells anew', () => {
    const estimate = new Estimate();
    estimate.left(0, 0);
    expect(estimate.left(0.5, 10_000)).to.equal(10);
    expect(estimate.left(0.1, 11_000)).to.equal(undefined);
    expect(estimate.left(0.2, 21_000)).to.be.closeTo(80, 0.01);
  });
});
