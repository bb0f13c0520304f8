/** Which way is taken, when it changes, and what is told of it; by a clock of its own. */
import { expect } from 'chai';
import { setImmediate as settled } from 'node:timers/promises';
import { LockstepError } from '../../src/errors.js';
import { Ways } from '../../src/lockstep/ways.js';
import type { PeerPort } from '../../src/target/peerport.js';
import { ownClock } from './clock.js';

const port = (where: string): PeerPort => ({
  where,
  propose: () => Promise.resolve(),
  look: () => Promise.resolve({ head: 0, chainMod: 0, link: undefined }),
});
const trouble = (what = 'nothing comes') => new LockstepError('PEER_PORT', what);

describe('ways', () => {
  const clock = ownClock();
  const notes: string[] = [];
  const onNote = (note: string) => void notes.push(note);
  beforeEach(() => {
    notes.length = 0;
  });

  it('fails once after a long time: another member at once, and nothing is told but that', async () => {
    const ports = [port('a'), port('a'), port('b')];
    const ways = new Ways({ open: () => Promise.resolve(ports.shift()!), onNote });
    for (const where of ['a', 'a', 'b']) {
      expect(await ways.forTerm()).to.have.property('where', where);
      ways.worked();
      clock.nowMs += 60_000;
      ways.failed(trouble());
    }
    expect(notes.map((note) => note.split(' ').at(-1))).to.deep.equal(['a', 'b']);
  });

  it('takes the first and nothing behind it: by transactions, for longer and longer', async () => {
    const ways = new Ways({ open: () => Promise.resolve(port('a')), onNote });
    const rests: number[] = [];
    for (let i = 0; i < 5; i++) {
      const from = clock.nowMs;
      while (!(await ways.forTerm())) {
        clock.nowMs += 500;
        ways.hasOpened();
        await settled();
      }
      rests.push(clock.nowMs - from);
      ways.worked();
      clock.nowMs += 5000;
      ways.failed(trouble());
    }
    expect(rests).to.deep.equal([0, 0, 1000, 2000, 4000]);
    expect(ways.status.why).to.have.property('code', 'PEER_PORT');
  });

  it('while nobody answers, transactions go on', async () => {
    let tries = 0;
    let answer: (port: PeerPort) => void = () => undefined;
    const open = () => {
      if (tries++ === 0) return Promise.reject(trouble());
      return new Promise<PeerPort>((resolve) => (answer = resolve));
    };
    const ways = new Ways({ open, onNote });
    expect(await ways.forTerm()).to.equal(undefined);
    clock.nowMs += 1000;
    for (let i = 0; i < 3; i++) {
      expect(ways.hasOpened()).to.equal(false);
      expect(await ways.forTerm()).to.equal(undefined);
    }
    expect(tries).to.equal(2);
    answer(port('a'));
    await settled();
    expect(ways.hasOpened()).to.equal(true);
    expect(ways.status).to.deep.include({ by: 'transactions', where: null });
    expect(await ways.forTerm()).to.have.property('where', 'a');
  });

  it('what is wrong with the client API is not kept from who writes', async () => {
    let tries = 0;
    const broken = new LockstepError('UNAVAILABLE', 'away');
    const open = () => Promise.reject(tries++ === 0 ? trouble() : broken);
    const ways = new Ways({ open, onNote });
    await ways.forTerm();
    clock.nowMs += 1000;
    expect(ways.hasOpened()).to.equal(false);
    await settled();
    expect(() => ways.hasOpened()).to.throw(broken);
    expect(ways.hasOpened()).to.equal(false);
  });
});
