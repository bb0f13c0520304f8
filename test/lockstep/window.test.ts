/** How much is proposed at once, and when it is given up; by a clock of its own. */
import { expect } from 'chai';
import { AdaptiveWindow } from '../../src/lockstep/window.js';
import { ownClock } from './clock.js';

const NONE = { entries: 0, bytes: 0 };
const fillers = (entries: number) => ({ entries, bytes: 0 });
const records = (entries: number) => ({ entries, bytes: entries * 4096 });

describe('the window of proposals', () => {
  const clock = ownClock();

  /** Entries without records that may be unconfirmed. */
  function widthOf(window: AdaptiveWindow): number {
    let entries = 0;
    while (window.hasRoom(fillers(entries))) entries++;
    return entries;
  }

  function look(window: AdaptiveWindow, tookMs: number, unconfirmed = fillers(2048)): boolean {
    return window.looked(1, { moved: true, unconfirmed, tookMs });
  }

  it('counts records by their bytes, and goes to no more than what an etcd bears', () => {
    const window = new AdaptiveWindow();
    expect(window.hasRoom(fillers(2000))).to.equal(true);
    expect(window.hasRoom(records(100))).to.equal(true);
    expect(window.hasRoom(records(400))).to.equal(false);
    for (let i = 0; i < 100; i++) look(window, 1, records(1200));
    expect(widthOf(window)).to.equal(2048);
    expect(window.hasRoom(records(1000))).to.equal(true);
    expect(window.hasRoom(records(2000))).to.equal(false);
  });

  it('becomes narrower while looks take long, and wider again only where it is used up', () => {
    const window = new AdaptiveWindow();
    look(window, 1);
    for (let i = 0; i < 100; i++) look(window, 60);
    expect(widthOf(window)).to.equal(1024);
    for (let i = 0; i < 100; i++) look(window, 1, fillers(10));
    expect(widthOf(window)).to.equal(1024);
    for (let i = 0; i < 100; i++) look(window, 1, fillers(1024));
    expect(widthOf(window)).to.equal(2048);
  });

  it('does not take a long way for a slow target', () => {
    const window = new AdaptiveWindow();
    for (let i = 0; i < 100; i++) look(window, 200);
    expect(widthOf(window)).to.equal(2048);
  });

  it('nor, in another term, a longer way than before', () => {
    const window = new AdaptiveWindow();
    look(window, 1);
    window.begin();
    for (let i = 0; i < 100; i++) look(window, 200);
    expect(widthOf(window)).to.equal(2048);
  });

  it('gives up what has not moved for a second since it was taken, and begins anew behind that', () => {
    const window = new AdaptiveWindow();
    const inVain = () => window.looked(1, { moved: false, unconfirmed: fillers(5), tookMs: 1 });
    expect(inVain(), 'nothing was taken').to.equal(false);
    window.sent(6);
    clock.nowMs += 900;
    expect(inVain()).to.equal(false);
    window.sent(9);
    clock.nowMs += 200;
    expect(inVain()).to.equal(true);
    window.begin();
    window.sent(4);
    expect(inVain()).to.equal(false);
  });

  it('goes on for as long as something moves', () => {
    const window = new AdaptiveWindow();
    window.sent(100);
    for (let confirmed = 1; confirmed < 50; confirmed++) {
      clock.nowMs += 900;
      const moved = { moved: true, unconfirmed: fillers(50), tookMs: 900 };
      expect(window.looked(confirmed, moved)).to.equal(false);
    }
  });

  it('sends at once where little is on its way, and what is a message by itself', async () => {
    const window = new AdaptiveWindow();
    await window.gather(fillers(1), NONE);
    await window.gather(fillers(1), fillers(15));
    await window.gather(fillers(512), fillers(500));
    await window.gather(records(300), fillers(500));
    const waits = window.gather(fillers(1), fillers(500));
    const first = await Promise.race([waits.then(() => 'sent'), Promise.resolve('waits')]);
    expect(first).to.equal('waits');
    await waits;
  });
});
