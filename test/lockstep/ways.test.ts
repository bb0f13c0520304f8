/** Which way it goes, by a clock of its own. */
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { Ways } from '../../src/lockstep/ways.js';
import type { PeerPort } from '../../src/target/peerport.js';

const PORT = { where: 'the peer port', propose: () => Promise.resolve() } as unknown as PeerPort;
const LOST = new LockstepError('PEER_PORT', 'lost');

describe('ways', () => {
  let nowMs = 0;
  const now = performance.now.bind(performance);
  let notes: string[] = [];
  beforeEach(() => {
    nowMs = 1000;
    notes = [];
    performance.now = () => nowMs;
  });
  afterEach(() => {
    performance.now = now;
  });

  const ways = (open: () => Promise<PeerPort> = () => Promise.resolve(PORT)) =>
    new Ways({ open, onNote: (note) => notes.push(note) });

  it('nobody has asked for proposals: transactions, and nothing is due', async () => {
    const one = new Ways();
    expect(await one.forTerm()).to.equal(undefined);
    expect(one.isDue).to.equal(false);
    expect(one.status).to.deep.equal({ by: 'transactions', where: null, why: null });
  });

  it('one failure changes nothing; two do, each time for longer, up to a minute', async () => {
    const one = ways();
    await one.forTerm();
    one.worked();
    one.failed(LOST);
    expect(await one.forTerm()).to.equal(PORT);
    const rests: number[] = [];
    for (let i = 0; i < 8; i++) {
      one.failed(LOST);
      expect(one.isDue).to.equal(false);
      expect(await one.forTerm()).to.equal(undefined);
      const before = nowMs;
      while (!one.isDue) nowMs += 500;
      rests.push((nowMs - before) / 1000);
      expect(await one.forTerm()).to.equal(PORT);
    }
    expect(rests).to.deep.equal([1, 2, 4, 8, 16, 32, 60, 60]);
  });

  it('a port that lands the first of each term and no more is not taken for one that works', async () => {
    const one = ways();
    for (let i = 0; i < 2; i++) {
      await one.forTerm();
      one.worked();
      one.failed(LOST);
    }
    expect(one.isDue).to.equal(false);
    expect(one.status).to.deep.equal({
      ...{ by: 'proposals', where: null },
      why: { code: 'PEER_PORT', message: 'lost', hint: null },
    });
    expect(await one.forTerm()).to.equal(undefined);
    expect(one.status.by).to.equal('transactions');
  });

  it('what has worked for long has one failure free again', async () => {
    const one = ways();
    for (let i = 0; i < 3; i++) {
      await one.forTerm();
      one.worked();
      nowMs += 11_000;
      one.failed(LOST);
      expect(one.isDue).to.equal(true);
    }
    expect(notes.filter((note) => note.includes('transactions'))).to.deep.equal([]);
  });

  it('none that answers: told once, with why, and not at once again', async () => {
    const one = ways(() => Promise.reject(LOST));
    for (let i = 0; i < 3; i++) {
      expect(await one.forTerm()).to.equal(undefined);
      nowMs += 60_000;
    }
    expect(notes).to.deep.equal(['lost; going on by transactions, and trying it again.']);
    expect(one.status.why).to.include({ code: 'PEER_PORT' });
  });

  it('what the client API does not give is nothing to change the way for', async () => {
    const away = new LockstepError('UNAVAILABLE', 'away');
    const one = ways(() => Promise.reject(away));
    expect(await one.forTerm().catch((error: unknown) => error)).to.equal(away);
    expect(one.isDue).to.equal(true);
  });
});
