/**
 * Retire: exactly what was cut over leaves the source, and nothing that anybody has written since.
 *
 * What it catches. Each of these was put into retire.ts, found, and taken out again:
 *   pages removed without a guard, or with one that is a revision too low; a page without its last key
 *   writers not looked for; what is there not held against what was cut over; any phase taken
 *   our own deletions taken for late writes; our own keys left on the target; no pace
 */
import { expect } from 'chai';
import { retire, type RetireFound, type RetireOptions } from '../../src/cutover/retire.js';
import { keyOf } from '../../src/mvcc/keyvalue.js';
import { OWN_PREFIX, prefixRange, WHOLE_STORE } from '../../src/mvcc/prefix.js';
import type { Claim } from '../../src/target/claim.js';
import { CUTOVER_KEY, type Phase } from '../../src/target/cutoverstate.js';
import { fingerprint, PODS } from '../cli/stage.js';
import { failure, MeddledClient, Pair } from './pair.js';

const KEYS = 250;
/** Keys of the first page that is asked for; what follows is removed a hundred at a time. */
const FIRST = 64;
const never = new AbortController().signal;

describe('retire', () => {
  let pair: Pair;
  let claim: Claim;
  let source: MeddledClient;
  let over = false;
  before(async () => {
    pair = await Pair.start(KEYS);
    // Just beside the prefix, on both sides.
    for (const key of ['/registry/pods', '/registry/pods0', '/registry/minions/n'])
      await pair.stage.put(key);
  });
  after(() => pair.end());
  beforeEach(async () => {
    for (let i = 0; i < 3; i++) await pair.stage.put(`${PODS}${i}`, 'anew');
    claim = await pair.taken();
    // Room for what is written to the target, so that it can be undone.
    await pair.stage.foreign(12);
    source = new MeddledClient(pair.stage.source.endpoint, 'source');
  });
  /** The next test begins with the same pair. */
  afterEach(async () => {
    source.close();
    if (over) return;
    await pair.undo();
  });

  const options = (more: Partial<RetireOptions> = {}): RetireOptions => ({
    ...{ source, target: pair.targetClient, resources: undefined, apiservers: [], signal: never },
    ...{ watchSeconds: 0, rate: 100_000, go: () => Promise.resolve(true) },
    onProgress: () => undefined,
    onNote: () => undefined,
    ...more,
  });
  const phase = (to: Phase) => pair.setPhase(to);

  async function both(): Promise<object[]> {
    return Promise.all([fingerprint(pair.stage.source), fingerprint(pair.target)]);
  }

  /** Refused, with nothing changed on either side. */
  async function refused(code: string, more?: Partial<RetireOptions>): Promise<string> {
    const before = await both();
    const error = await failure(retire(options(more)));
    expect(error.code).to.equal(code);
    expect(await both()).to.deep.equal(before);
    return error.message;
  }

  /** Everything on the source but the prefix. */
  async function others(): Promise<string[]> {
    const { rows } = await pair.source.range(WHOLE_STORE);
    return rows.map((row) => row.toString('latin1')).filter((row) => !row.includes(PODS));
  }

  const left = async () => (await pair.source.range(prefixRange(PODS))).count;

  it('is refused before the cutover is done, and on the way back', async () => {
    for (const early of ['fenced', 'switched', 'rolling back', 'rolled back'] as const) {
      await phase(early);
      expect(await refused('STILL_USED')).to.contain(early);
    }
  });

  it('a dry run says what would be removed, and changes nothing', async () => {
    await phase('done');
    const before = await both();
    const asked: RetireFound[] = [];
    const report = await retire(
      options({
        go: (found) => {
          asked.push(found);
          return Promise.resolve(false);
        },
      }),
    );
    expect(await both()).to.deep.equal(before);
    const { keys, checksum } = claim.state;
    expect(report).to.deep.include({
      ...{ prefixes: [PODS], keys, checksum, removed: false, revisions: null, left: KEYS },
      cutOver: { keys, checksum },
    });
    expect(asked).to.have.length(1);
    expect(asked[0]).to.deep.include({ prefixes: [PODS], keys: KEYS, checksum });
  });

  it('a key written since: LATE_WRITE by its name; also one that comes while it watches', async () => {
    await phase('done');
    let written = false;
    const during = {
      watchSeconds: 60,
      onProgress: () => {
        if (!written) void pair.stage.put(`${PODS}meanwhile`);
        written = true;
      },
    };
    const error = await failure(retire(options(during)));
    expect(error.code).to.equal('LATE_WRITE');
    expect(error.message).to.contain(`${PODS}meanwhile`);
    expect(await refused('LATE_WRITE')).to.contain(`${PODS}meanwhile`);
    expect(await left()).to.equal(KEYS + 1);
    await pair.stage.source.ctl('del', `${PODS}meanwhile`);
  });

  it('a deletion since: LATE_WRITE, or TARGET_DIFFERENT where it was compacted away', async () => {
    await phase('done');
    await pair.stage.source.ctl('del', `${PODS}7`);
    expect(await refused('LATE_WRITE')).to.contain(`${PODS}7`);
    await pair.stage.foreign(1);
    await pair.source.compact(await pair.stage.head());
    expect(await refused('TARGET_DIFFERENT')).to.contain(`holds ${KEYS - 1} keys`);
    await pair.stage.put(`${PODS}7`);
  });

  it('what is written while it removes is not removed, nor a page that holds it; nor is it later', async () => {
    await phase('done');
    const before = await others();
    source.meddle = async (send, n) => {
      if (n === 2) await pair.stage.put(`${PODS}180`, 'precious');
      return send();
    };
    const error = await failure(retire(options()));
    expect(error.code).to.equal('LATE_WRITE');
    // The page before is gone; the one with the key is whole.
    expect(await left()).to.equal(KEYS - FIRST);
    source.meddle = undefined;
    expect((await failure(retire(options()))).code).to.equal('LATE_WRITE');
    expect(await left()).to.equal(KEYS - FIRST);
    expect(await pair.stage.source.ctl('get', `${PODS}180`)).to.contain('precious');
    expect(await others()).to.deep.equal(before);
    for (let i = 0; i < KEYS; i++) await pair.stage.put(`${PODS}${i}`);
  });

  it('what has come meanwhile, behind it, is told at the end; nothing of ours is removed', async () => {
    await phase('done');
    source.meddle = async (send, n) => {
      if (n === 3) await pair.stage.put(`${PODS}0`, 'again');
      return send();
    };
    const error = await failure(retire(options()));
    expect(error).to.include({ code: 'LATE_WRITE' });
    expect(await left()).to.equal(1);
    expect((await pair.targetClient.range(prefixRange(OWN_PREFIX))).count).to.be.greaterThan(2);
    for (let i = 0; i < KEYS; i++) await pair.stage.put(`${PODS}${i}`);
  });

  describe('to its end', () => {
    // Behind it there is nothing to undo.
    before(() => {
      over = true;
    });

    it('paced; killed in the middle it goes on; all else stays, and nothing of ours', async () => {
      await phase('done');
      const [before, target] = [await others(), await pair.rowsAt(0)];
      const stop = new AbortController();
      source.meddle = (send, n) => {
        if (n === 2) stop.abort();
        return send();
      };
      const killed = retire(options({ signal: stop.signal }));
      expect(await killed.then(() => 'done', String)).to.contain('AbortError');
      expect(await left()).to.equal(KEYS - FIRST - 100);
      source.meddle = undefined;

      const rate = 200;
      const started = performance.now();
      const { revision } = await pair.source.head();
      const report = await retire(options({ rate }));
      const seconds = (KEYS - FIRST - 100) / rate;
      expect(performance.now() - started).to.be.at.least(seconds * 1000 - 5);
      expect(report).to.deep.include({
        ...{ keys: KEYS - FIRST - 100, removed: true, left: 0 },
        revisions: { first: revision + 1, last: revision + 2 },
        cutOver: { keys: claim.state.keys, checksum: claim.state.checksum },
      });
      expect(await left()).to.equal(0);
      expect(await others()).to.deep.equal(before);
      expect((await pair.rowsAt(0)).target).to.deep.equal(target.target);
      // But for the state, which says that it is over; and once more is no error.
      const { rows } = await pair.targetClient.range(prefixRange(OWN_PREFIX));
      expect(rows.map((row) => keyOf(row).toString())).to.deep.equal([CUTOVER_KEY.toString()]);
      const again = await retire(options());
      expect(again).to.deep.include({ removed: true, keys: 0, left: 0, revisions: null });
    });
  });
});
