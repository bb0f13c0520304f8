/** Back-off while a side answers slowly; by a clock of its own. */
import { expect } from 'chai';
import fc from 'fast-check';
import { BackOff } from '../../src/lockstep/backoff.js';
import { ownClock } from './clock.js';

const QUICK = 2;
const SLOW = 400;

describe('back-off', () => {
  const clock = ownClock();

  /** A source that is polled twice a second, and a target that is written as fast as it may be. */
  class Scene {
    readonly notes: string[] = [];
    readonly backOff = new BackOff((note) => this.notes.push(note));
    sourceRate = 0;
    #head = 1000;

    /** @param wish revisions a second that there are to write */
    go(seconds: number, tookMs: number, wish: number): void {
      for (let i = 0; i < seconds * 2; i++) {
        clock.nowMs += 500;
        this.#head += this.sourceRate / 2;
        this.backOff.source(tookMs, this.#head, Math.min(wish, this.rate));
      }
    }

    get rate(): number {
      return this.backOff.bound?.rate ?? Infinity;
    }
  }

  it('halves while answers stay slow, says so once; widens slowly, and says once that it is over', () => {
    const scene = new Scene();
    scene.go(10, QUICK, 4000);
    expect(scene.rate).to.equal(Infinity);
    scene.go(2.5, SLOW, 4000);
    expect(scene.rate, 'a hiccup is none').to.equal(Infinity);
    scene.go(1, SLOW, 4000);
    expect(scene.rate).to.equal(2000);
    expect(scene.backOff.bound?.side).to.equal('source');
    scene.go(4, SLOW, 4000);
    expect(scene.rate).to.equal(1000);
    expect(scene.notes).to.have.lengthOf(1);
    expect(scene.notes[0]).to.match(
      /^the source answers slowly \(400 ms, usually 2\.0 ms\): backing off to 2000 /,
    );
    scene.go(5, QUICK, 4000);
    expect(scene.rate).to.be.within(1200, 2000);
    scene.go(30, QUICK, 4000);
    expect(scene.rate).to.equal(Infinity);
    expect(scene.notes).to.have.lengthOf(2);
    expect(scene.notes[1]).to.equal('the source answers as usual again: back-off is over');
  });

  it('never goes below what the source writes: it slows catching up, and no lag grows by it', () => {
    const scene = new Scene();
    scene.sourceRate = 400;
    scene.go(60, QUICK, 4000);
    scene.go(40, SLOW, 4000);
    expect(scene.rate).to.be.within(480, 520);
  });

  it('leaves a follower alone that writes no more than the source does', () => {
    const scene = new Scene();
    scene.sourceRate = 400;
    scene.go(60, QUICK, 400);
    scene.go(60, SLOW, 400);
    expect(scene.rate).to.equal(Infinity);
    expect(scene.notes).to.deep.equal([]);
  });

  it('a baseline that was too low comes up while little is asked, and the rate with it', () => {
    const scene = new Scene();
    scene.go(10, QUICK, 4000);
    // From now on the way is longer, for ever.
    scene.go(60, SLOW, 4000);
    expect(scene.rate).to.equal(50);
    scene.go(400, SLOW, 4000);
    expect(scene.rate).to.be.greaterThan(1000);
  });

  it('a long way is no slow side', () => {
    const scene = new Scene();
    scene.go(60, SLOW, 4000);
    expect(scene.rate).to.equal(Infinity);
  });

  it('of two slow sides the slower bounds it', () => {
    const backOff = new BackOff();
    const poll = (sourceMs: number, targetMs: number) => {
      clock.nowMs += 1000;
      backOff.source(sourceMs, 1, 4000);
      backOff.target(targetMs, 4000);
    };
    for (let i = 0; i < 5; i++) poll(QUICK, QUICK);
    for (let i = 0; i < 4; i++) poll(SLOW, QUICK);
    expect(backOff.bound).to.deep.equal({ rate: 2000, side: 'source' });
    for (let i = 0; i < 4; i++) poll(QUICK, SLOW);
    for (let i = 0; i < 4; i++) poll(QUICK, SLOW);
    expect(backOff.bound).to.deep.equal({ rate: 1000, side: 'target' });
  });

  it('whatever answers take, something always goes', () => {
    const answers = fc.array(
      fc.record({
        restMs: fc.integer({ min: 0, max: 20_000 }),
        tookMs: fc.integer({ min: 0, max: 60_000 }),
        written: fc.integer({ min: 0, max: 20_000 }),
        more: fc.integer({ min: 0, max: 5000 }),
        source: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(answers, (answers) => {
        const backOff = new BackOff();
        let head = 1;
        return answers.every(({ restMs, tookMs, written, more, source }) => {
          clock.nowMs += restMs;
          head += more;
          if (source) backOff.source(tookMs, head, written);
          else backOff.target(tookMs, written);
          return (backOff.bound?.rate ?? Infinity) >= 50;
        });
      }),
    );
  });
});
