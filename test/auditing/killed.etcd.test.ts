/** A follower that is killed in the middle of an audit: the next one goes on from there, and is shown. */
import { expect } from 'chai';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Stage, PODS } from '../cli/stage.js';
import { FollowProcess } from '../faults/follower.js';

const KEYS = 260;
/** Eight seconds of 64 KiB. */
const VALUE = 'x'.repeat(2000);

describe('an audit whose follower is killed', () => {
  it('goes on where it was, and its report is served', async () => {
    const stage = await Stage.start();
    const followers: FollowProcess[] = [];
    try {
      for (let i = 0; i < KEYS; i++) await stage.put(`${PODS}ns/${i}`, VALUE);
      const { journal, base } = await stage.seed();
      const target = await stage.etcd(base);
      const ends = { source: stage.source.endpoint, target: target.endpoint, journal };
      const audited = ['--audit-every', '1h', '--audit-rate', '64KiB'];
      const follow = (...more: string[]) => {
        const follower = new FollowProcess(ends, ...audited, ...more);
        followers.push(follower);
        return follower;
      };
      const first = follow();
      const start = { lines: 0, ms: Date.now() };
      // Its place was written down after five seconds.
      const far = await first.until('far', ({ auditing }) => (auditing?.share ?? 0) > 0.75, {
        since: start,
      });
      await first.kill();

      const second = follow('--listen', '0');
      const resumed = await second.until('auditing', ({ auditing }) => auditing !== null, {
        since: { lines: 0, ms: Date.now() },
      });
      expect(resumed.status.auditing?.since).to.equal(far.status.auditing?.since);
      expect(resumed.status.auditing?.share).to.be.greaterThan(0.3);
      const { status } = await second.until('audited', ({ audits }) => audits.length > 0, {
        since: { lines: 0, ms: Date.now() },
      });
      expect(status.audits).to.have.lengthOf(1);
      expect(status.audits[0]).to.include({ result: 'equal', keys: KEYS, differences: 0 });
      expect(status.auditing).to.equal(null);

      const listening = second.notes({ lines: 0, ms: 0 }).find((note) => note.includes('http://'));
      const url = /http:\S+/.exec(listening ?? '')?.[0] ?? '';
      const index = await fetch(`${url}reports/`);
      expect(await index.text()).to.contain(status.audits[0]?.file ?? '-');
      const report = await fetch(`${url}reports/${status.audits[0]?.file ?? ''}`);
      expect(report.headers.get('content-security-policy')).to.contain("default-src 'none'");
      expect(await report.text()).to.contain('EQUAL');
      expect((await fetch(`${url}reports/place.json`)).status).to.equal(404);
      const metrics = await (await fetch(`${url}metrics`)).text();
      expect(metrics).to.contain('etcd_lockstep_audits_total{result="equal"} 1');
      expect(metrics).to.contain('etcd_lockstep_audit_last_equal 1');
      await second.stop();

      // The next one is due in an hour.
      const third = follow();
      const since = { lines: 0, ms: Date.now() };
      const { status: later } = await third.until('audited', ({ audits }) => audits.length > 0, {
        since,
      });
      expect(later.auditing).to.equal(null);
      const files = readdirSync(`${journal}.audit`).filter((name) => /^audit.*json$/.test(name));
      expect(files).to.have.lengthOf(1);
      const { facts } = JSON.parse(
        readFileSync(join(`${journal}.audit`, files[0] ?? ''), 'utf8'),
      ) as { facts: { made: { command: string } } };
      expect(facts.made.command).to.contain('etcd-lockstep follow --endpoints');
    } finally {
      await Promise.all(followers.map((follower) => follower.kill()));
      await stage.end();
    }
  });
});
