/** How long a source keeps its history, told from its heads and compact revisions alone. */
import { expect } from 'chai';
import { SourceHistory } from '../../src/lockstep/sourcehistory.js';

/** Ten revisions a second, from 1000 on; the head is told twice a second. */
function busy(seconds: number, history = new SourceHistory()): SourceHistory {
  for (let half = 0; half <= seconds * 2; half++) history.sawHead(1000 + half * 5, half * 500);
  return history;
}

const headAt = (seconds: number) => 1000 + seconds * 10;

describe("the source's history", () => {
  it('nothing is known before the first compaction that was seen to happen', () => {
    const history = busy(600);
    expect(history.window(headAt(600), 600_000)).to.equal(null);
    history.sawCompact(headAt(300), 600_000);
    expect(history.window(headAt(600), 600_000)).to.deep.include({
      ...{ movedAt: null, keepsSeconds: null, leftSeconds: null },
    });
  });

  it('as long as it was old when it was forgotten: five minutes under Kubernetes', () => {
    const history = busy(600);
    history.sawCompact(1, 0);
    history.sawCompact(headAt(300), 600_000);
    const window = history.window(headAt(600), 600_000);
    expect(window?.keepsSeconds).to.be.within(295, 300);
    expect(window?.movedAt).to.equal(new Date(600_000).toISOString());
    expect(window?.leftSeconds).to.equal(window?.keepsSeconds);
  });

  it('less is left by how long the journal lacks something, down to nothing', () => {
    const history = busy(600);
    history.sawCompact(1, 0);
    history.sawCompact(headAt(300), 600_000);
    expect(history.window(headAt(500), 600_000)?.leftSeconds).to.be.within(190, 205);
    expect(history.window(headAt(320), 600_000)?.leftSeconds).to.be.within(10, 25);
    expect(history.window(headAt(299), 600_000)?.leftSeconds).to.equal(0);
    // A head that stands still takes nothing away from who has all of it.
    history.sawHead(headAt(600), 900_000);
    expect(history.window(headAt(600), 900_500)?.leftSeconds).to.be.within(295, 300);
  });

  it('while the source does not answer nobody knows whether the journal has all: the time runs', () => {
    const history = busy(600);
    history.sawCompact(1, 0);
    history.sawCompact(headAt(300), 600_000);
    const left = (seconds: number) => history.window(headAt(600), seconds * 1000)?.leftSeconds;
    expect(left(603)).to.be.within(295, 300);
    expect(left(700)).to.be.within(195, 200);
    expect(left(5000)).to.equal(0);
    history.sawHead(headAt(600), 5_000_000);
    expect(left(5001)).to.be.within(295, 300);
  });

  it('what the journal lacks since before anybody looked is at least so old', () => {
    const history = busy(600);
    history.sawCompact(1, 0);
    history.sawCompact(990, 1000);
    history.sawCompact(headAt(300), 600_000);
    history.sawCompact(headAt(300), 700_000);
    expect(history.window(headAt(300) - 1, 700_000)?.leftSeconds).to.be.lessThan(10);
  });

  it('a compaction up to the head of an idle source says nothing new', () => {
    const history = busy(600);
    history.sawCompact(1, 0);
    history.sawCompact(headAt(300), 600_000);
    const before = history.window(headAt(600), 600_000)?.keepsSeconds;
    history.sawCompact(headAt(600), 9_000_000);
    expect(history.window(headAt(600), 9_000_000)?.keepsSeconds).to.equal(before);
  });

  it('one up to the head of a busy source leaves a window that is short, and not none', () => {
    const history = busy(600);
    history.sawCompact(1, 0);
    history.sawCompact(headAt(600) - 1, 600_000);
    expect(history.window(headAt(600), 600_000)).to.include({ keepsSeconds: 1, leftSeconds: 1 });
  });

  it('memory and answers stay as they are over two days', () => {
    const history = busy(2 * 86_400);
    history.sawCompact(1, 0);
    const end = 2 * 86_400;
    history.sawCompact(headAt(end - 300), end * 1000);
    expect(history.window(headAt(end), end * 1000)?.keepsSeconds).to.be.within(295, 300);
    // Older than a day: nobody knows.
    history.sawCompact(headAt(end - 200), end * 1000);
    expect(history.window(headAt(10), end * 1000)?.leftSeconds).to.equal(0);
  });
});
