import { expect } from 'chai';
import { LockstepError, type ErrorCode } from '../../src/errors.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { CURSOR_FORMAT, type Cursor } from '../../src/target/cursor.js';
import { SLOTS } from '../../src/target/guard.js';
import { foreignWrite, otherFollower, takeStock } from '../../src/target/stock.js';
import type { TargetState } from '../../src/target/target.js';

const IDENTITY = { source: 'cafe', prefixes: PrefixSet.of(['/pods/', '/leases/']) };

const CURSOR: Cursor = {
  format: CURSOR_FORMAT,
  source: 'cafe',
  prefixes: ['/leases/', '/pods/'],
  revision: 100,
  keys: 3,
  checksum: '00000000000000ff',
  ownWrites: 40,
  gap: null,
  follower: 'somebody',
  at: 'some day',
};

/** The cursor of 100 with two fillers behind it. */
function state(changes: Partial<TargetState> = {}): TargetState {
  const slotMods = new Array<number>(SLOTS).fill(0);
  slotMods[0] = 101;
  slotMods[1] = 102;
  return {
    head: 102,
    cursor: CURSOR,
    cursorMod: 100,
    chainMod: 90,
    link: { term: 'a', revision: 90 },
    slotMods,
    ownWrites: 42,
    cutover: undefined,
    owner: undefined,
    ...changes,
  };
}

function errorOf(run: () => unknown): LockstepError {
  try {
    run();
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

interface Refusal {
  why: string;
  state: TargetState;
  code: ErrorCode;
  /** The revision that the error must name. */
  revision?: number;
}

const REFUSALS: Refusal[] = [
  { why: 'no cursor', state: state({ cursor: undefined, cursorMod: 0 }), code: 'TARGET_NOT_OURS' },
  {
    why: 'a base cropped from a file',
    state: state({ cursor: { ...CURSOR, source: null } }),
    code: 'TARGET_NOT_OURS',
  },
  {
    why: 'another source',
    state: state({ cursor: { ...CURSOR, source: 'beef' } }),
    code: 'TARGET_OTHER_SOURCE',
  },
  {
    why: 'other prefixes',
    state: state({ cursor: { ...CURSOR, prefixes: ['/pods/'] } }),
    code: 'TARGET_OTHER_PREFIXES',
  },
  {
    why: 'a cursor that was copied to another revision',
    state: state({ cursorMod: 102 }),
    code: 'TARGET_HEAD_OFF',
    revision: 102,
  },
  {
    why: 'a write too many',
    state: state({ head: 103 }),
    code: 'TARGET_HEAD_OFF',
    revision: 103,
  },
  {
    why: 'a write too few',
    state: state({ ownWrites: 43 }),
    code: 'TARGET_HEAD_OFF',
    revision: 102,
  },
  {
    why: 'a link that landed behind somebody else',
    state: state({ link: { term: 'a', revision: 89 } }),
    code: 'TARGET_HEAD_OFF',
    revision: 90,
  },
  {
    why: 'a chain that holds no link',
    state: state({ link: undefined }),
    code: 'TARGET_HEAD_OFF',
    revision: 90,
  },
];

describe('taking stock', () => {
  it('finds position, tally and slots', () => {
    const stock = takeStock(state(), IDENTITY);
    expect(stock.position).to.equal(102);
    expect(stock.cursor).to.equal(CURSOR);
    expect([stock.tally.keys, stock.tally.checksum]).to.deep.equal([3, 0xffn]);
    expect(stock.slotMods.slice(0, 3)).to.deep.equal([101, 102, 0]);
    expect(stock.ownWrites).to.equal(42);
  });

  it('takes a target fresh from its base', () => {
    const cursor = { ...CURSOR, ownWrites: 0, follower: null };
    const fresh = { head: 100, slotMods: new Array<number>(SLOTS).fill(0), ownWrites: 0 };
    expect(takeStock(state({ cursor, ...fresh }), IDENTITY).position).to.equal(100);
  });

  for (const { why, state: refused, code, revision } of REFUSALS)
    it(`refuses ${why}: ${code}`, () => {
      const error = errorOf(() => takeStock(refused, IDENTITY));
      expect([error.code, error.disposition]).to.deep.equal([code, 'fatal']);
      expect(error.revision).to.equal(revision);
      expect(error.hint).to.match(/\w/);
    });

  it('has errors for the two kinds of company', () => {
    const foreign = errorOf(() => {
      throw foreignWrite(102, 103);
    });
    const other = errorOf(() => {
      throw otherFollower(100, CURSOR.follower);
    });
    expect([foreign.code, foreign.revision]).to.deep.equal(['TARGET_FOREIGN_WRITE', 103]);
    expect([other.code, other.revision]).to.deep.equal(['TARGET_TAKEN_OVER', 100]);
    expect(other.message).to.contain('somebody');
    expect(foreign.hint).to.match(/\w/);
    expect(other.hint).to.match(/\w/);
  });
});
