/** The view as metrics: they parse, what is not known is not there, and totals never go back. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { Metrics } from '../../src/listen/metrics.js';
import { STATES, type View } from '../../src/listen/view.js';
import { followed, nightView } from './fixtures.js';

const PROMTOOL = '/usr/bin/promtool';

/** Of ours: each line without the prefix, with its value. */
async function scraped(view: View, metrics = new Metrics()): Promise<Map<string, number>> {
  const lines = (await metrics.scrape(view)).split('\n');
  return new Map(
    lines
      .filter((line) => line.startsWith('etcd_lockstep_'))
      .map((line): [string, number] => {
        const end = line.lastIndexOf(' ');
        return [line.slice('etcd_lockstep_'.length, end), Number(line.slice(end))];
      }),
  );
}

describe('metrics', () => {
  it('of a night: each has its value', async () => {
    const found = await scraped(nightView());
    const expected: Record<string, number> = {
      'build_info{version="1.2.3",command="cutover"}': 1,
      'state{state="running"}': 1,
      'state{state="failed"}': 0,
      ready: 1,
      source_revision: 5000,
      lag_seconds: 0,
      written_fillers_total: 90,
      written_puts_total: 12,
      'way{by="transactions"}': 1,
      'way{by="proposals"}': 0,
      'way_trouble{code="PEER_PORT"}': 1,
      progress_ratio: 0.25,
      journal_free_bytes: 1e9,
      source_history_kept_seconds: 300,
      compaction_window_left_seconds: 300,
      leases_missed: 2,
      lease_ends_seconds: 30,
      'retries_total{code="UNAVAILABLE",side="target"}': 4,
      'trouble{code="UNAVAILABLE"}': 1,
      trouble_since_timestamp_seconds: Date.parse('2026-03-01T20:30:00Z') / 1000,
      audit_running: 0,
      audit_last_equal: 0,
      audit_last_differences: 2,
      audit_last_timestamp_seconds: Date.parse('2026-03-01T20:10:00Z') / 1000,
      'audits_total{result="different"}': 1,
      'audits_total{result="failed"}': 1,
      'audits_total{result="equal"}': 0,
      'night_step{step="switch"}': 1,
      'night_step{step="freeze"}': 0,
      night_step_number: 2,
      frozen: 1,
      frozen_seconds: 12.5,
      fence_ahead_revisions: 1500,
      fence_margin_revisions: 1000,
      apiservers: 2,
      apiservers_moved: 1,
      alarms: 1,
    };
    for (const [name, value] of Object.entries(expected))
      expect(found.get(name), name).to.equal(value);
  });

  it('each state of the command is there', async () => {
    const found = await scraped(followed());
    for (const state of STATES.follow)
      expect(found.get(`state{state="${state}"}`)).to.equal(Number(state === 'in lockstep'));
  });

  it('what is not known is not there, also where it was before', async () => {
    const metrics = new Metrics();
    expect([...(await scraped(nightView(), metrics)).keys()]).to.include('frozen_seconds');
    const unknown = followed({
      ...{ position: null, lagRevisions: null, lagSeconds: null, journalFreeBytes: null },
      ...{ compaction: null, leases: null, retries: [] },
      way: { by: null, where: null, why: null },
    });
    const names = [...(await scraped(unknown, metrics)).keys()].join('\n');
    expect(names).not.to.match(
      /^(target_|lag_|journal_free|source_(compact|history)|compaction_|lease|retries|trouble|way|audit|night|frozen|fence|apis|alarms|progress)/m,
    );
    expect(names).to.match(/^source_revision$/m);
  });

  it('a total never goes back', async () => {
    const metrics = new Metrics();
    await scraped(followed({ fillers: 90 }), metrics);
    expect(
      (await scraped(followed({ fillers: 3 }), metrics)).get('written_fillers_total'),
    ).to.equal(90);
  });

  it('an audit is counted once, however often it is seen', async () => {
    const metrics = new Metrics();
    const view = nightView();
    metrics.saw(view);
    await scraped(view, metrics);
    const at = '2026-03-01T20:40:00.000Z';
    const [first, ...more] = view.audits;
    const next = { ...view, audits: [{ ...first!, at, result: 'equal' as const }, ...more] };
    const found = await scraped(next, metrics);
    expect(found.get('audits_total{result="equal"}')).to.equal(1);
    expect(found.get('audits_total{result="different"}')).to.equal(1);
    expect(found.get('audit_last_equal')).to.equal(1);
    const auditing = { since: at, share: null, differences: 1 };
    expect((await scraped({ ...next, auditing }, metrics)).get('audit_last_equal')).to.equal(0);
  });

  it("Prometheus's own tool finds nothing to say of them", async function () {
    if (!existsSync(PROMTOOL)) this.skip();
    const metrics = new Metrics();
    for (const view of [nightView(), followed()]) {
      const text = await metrics.scrape(view);
      expect(text).to.match(/^process_resident_memory_bytes \d+/m);
      const [ours, all] = [text.split(/^# HELP process_/m)[0], text].map((input) =>
        spawnSync(PROMTOOL, ['check', 'metrics'], { input, encoding: 'utf8' }),
      );
      expect(ours?.status, ours?.stderr).to.equal(0);
      // prom-client names some of Node's as Prometheus would not; they parse all the same.
      const foreign = all?.stderr.split('\n').filter((line) => line && !line.startsWith('nodejs_'));
      expect(foreign).to.deep.equal([]);
    }
  });

  it('docs/watching.md names each', async () => {
    const page = readFileSync(new URL('../../docs/watching.md', import.meta.url), 'utf8');
    for (const name of (await scraped(nightView())).keys())
      expect(page).to.contain(`\`${name.split('{')[0] ?? ''}\``);
  });
});
