/**
 * Leases on the way back: the source gets them as the target has them, and keeps them for as long as the
 * target has the keys. What ends on the target ends on the source because its deletion is brought.
 */
import { expect } from 'chai';
import { until } from '../cutover/pair.js';
import { put, PREFIX, ReversePair, type RunningReverse } from './pair.js';

const LEASE = 0x7e57n;
/** Refreshed each second; the rest of it is told in whole ones. */
const SHORT_SECONDS = 3;
const LONG_SECONDS = 600;

describe("the target's leases", () => {
  let pair: ReversePair;
  let running: RunningReverse;
  beforeEach(async () => {
    pair = await ReversePair.start();
  });
  afterEach(async () => {
    await running.stop();
    await pair.end();
  });

  const revoke = async (side: 'source' | 'target') =>
    pair.etcds[side].ctl('lease', 'revoke', LEASE.toString(16));
  const left = async () => (await pair.source.leaseInfo(LEASE))?.leftSeconds ?? 0;
  /** Waits until there is more left of it on the source than there was. */
  const refreshed = async () => {
    let lowest = Infinity;
    await running.until(async () => {
      const now = await left();
      const more = now > lowest;
      lowest = now;
      return more;
    });
  };

  it('are granted on the source, and kept there; what ends with them on the target ends there, too', async () => {
    await pair.cutOver();
    running = pair.running();
    await pair.target.leaseGrant(LEASE, LONG_SECONDS);
    await pair.write('target', put('held', '1', LEASE), put('k0', 'held from now on', LEASE));
    await running.caughtUp();
    await pair.expectBrought();
    expect(await pair.source.leaseTtl(LEASE)).to.equal(LONG_SECONDS);
    expect((await pair.held('source')).get(`${PREFIX}held`)?.lease).to.equal(LEASE);
    expect(running.reverse.status.leases).to.deep.include({ kept: 1, missed: 0 });
    // A key that is taken out of it lives on.
    await pair.write('target', put('k0', 'on its own'));
    await revoke('target');
    await running.caughtUp();
    await pair.expectBrought();
    expect([...(await pair.held('source')).keys()]).not.to.include(`${PREFIX}held`);
    expect(running.alarms).to.deep.equal([]);
  });

  it('do not end on the source while the target has the keys, however short they are', async () => {
    await pair.cutOver();
    running = pair.running();
    await pair.target.leaseGrant(LEASE, SHORT_SECONDS);
    await pair.write('target', put('held', '1', LEASE));
    const keep = setInterval(() => {
      pair.target.leaseKeepAlive([LEASE]).catch(() => undefined);
    }, 500);
    try {
      await running.caughtUp();
      await refreshed();
      await revoke('target');
    } finally {
      clearInterval(keep);
    }
    await running.caughtUp();
    await pair.expectBrought();
    expect(running.alarms).to.deep.equal([]);
  });

  it('that were there before the cutover are kept, too', async () => {
    await Promise.all(
      [pair.source, pair.target].map((side) => side.leaseGrant(LEASE, LONG_SECONDS)),
    );
    await pair.both(put('held', '1', LEASE));
    await pair.cutOver();
    const full = await left();
    await until(async () => (await left()) < full);
    running = pair.running();
    await refreshed();
    expect(running.reverse.status.leases).to.deep.include({ kept: 1, missed: 0 });
    await revoke('target');
    await running.caughtUp();
    await pair.expectBrought();
    expect(running.alarms).to.deep.equal([]);
  });

  it('that ended before what they held is brought: nothing of theirs is left on the source', async () => {
    await pair.cutOver();
    await pair.target.leaseGrant(LEASE, LONG_SECONDS);
    await pair.write('target', put('held', '1', LEASE));
    await revoke('target');
    running = pair.running();
    await running.caughtUp();
    await pair.expectBrought();
    expect(running.alarms).to.deep.equal([]);
  });

  it('one that ended on the source while nobody kept it is a late write, and comes back with its key', async () => {
    await pair.cutOver();
    await pair.target.leaseGrant(LEASE, LONG_SECONDS);
    await pair.write('target', put('held', '1', LEASE));
    running = pair.running();
    await running.caughtUp();
    await running.stop();
    await revoke('source');
    running = pair.running();
    await running.until(({ lateWrites }) => lateWrites.count === 1);
    expect(running.alarms[0]).to.match(/late write on the source: .*held deleted at revision/);
    await pair.write('target', put('held', '2', LEASE));
    await running.caughtUp();
    await pair.expectBrought();
    expect(await pair.source.leaseTtl(LEASE)).to.equal(LONG_SECONDS);
  });
});
