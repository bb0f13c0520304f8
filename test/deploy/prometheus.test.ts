/** deploy/: the rules hold by promtool, and nothing there names what no command exports. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dashboard } from '../../deploy/grafana/dashboard.js';
import { Metrics } from '../../src/listen/metrics.js';
import { STATES, type View } from '../../src/listen/view.js';
import { CUTOVER_STEPS, ROLLBACK_STEPS } from '../../src/cutover/script.js';
import { read } from '../docs/pages.js';
import { nightView, reversed } from '../listen/fixtures.js';

const PROMETHEUS = fileURLToPath(new URL('../../deploy/prometheus/', import.meta.url));
const RULES = read('deploy/prometheus/alerts.yaml');
const RULE_TESTS = read('deploy/prometheus/alerts.test.yaml');
const DASHBOARD = JSON.stringify(dashboard());
const ALERTS = [...RULES.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);

function promtool(...args: string[]): { status: number | null; text: string; missing: boolean } {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, {
    ...{ cwd: PROMETHEUS, encoding: 'utf8', timeout: 290_000 },
  });
  const missing = (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
  return { status, text: `${stdout}${stderr}`, missing };
}

/** Metrics that an expression names, each with the labels that it asks for: `state="kept"`. */
function namedIn(text: string): { name: string; labels: [string, string][] }[] {
  return [...text.matchAll(/\b(etcd_lockstep_\w+)(?:\{([^}]*)\})?/g)]
    .filter(([, name = '']) => !RECORDED.includes(name))
    .map(([, name = '', labels = '']) => ({
      name,
      labels: [...labels.matchAll(/(\w+)=~?\\?"([^"\\]*)\\?"/g)].map(
        ([, label = '', value = '']) => [label, value],
      ),
    }));
}

/** What the rules themselves record. */
const RECORDED = ['followed', 'taken_over', 'over', 'reversed', 'rolled_back', 'audit_equal'].map(
  (name) => `etcd_lockstep_${name}`,
);
/** All that is exported, by one command or another. */
async function scraped(): Promise<string> {
  const texts = await Promise.all(
    [nightView(), reversed()].map((view) => new Metrics().scrape(view)),
  );
  return texts.join('\n');
}

/** Labels that Prometheus or the scrape configuration gives. */
const GIVEN = ['job', 'instance', 'migration', 'command'];

describe('deploy/', function () {
  // Some ten thousand evaluations, which a busy machine takes its time for.
  this.timeout(300_000);

  before(function () {
    const { missing } = promtool('--version');
    if (!missing) return;
    if (process.env['CI'] === 'true') throw new Error('promtool is missing');
    console.log("      there is no promtool here: Debian's package prometheus has it");
    this.skip();
  });

  it('promtool takes the rules', () => {
    const { status, text } = promtool('check', 'rules', 'alerts.yaml');
    expect(status, text).to.equal(0);
  });

  it('each fires when it should, keeps still when it should not, and resolves', () => {
    const { status, text } = promtool('test', 'rules', 'alerts.test.yaml');
    expect(status, text).to.equal(0);
  });

  for (const view of [nightView(), reversed()])
    it(`what a ${view.command} exports is what promtool takes for metrics`, async () => {
      const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
        ...{ encoding: 'utf8', timeout: 60_000, input: await new Metrics().scrape(view) },
      });
      // What Node tells of itself is named by prom-client.
      const told = `${stdout}${stderr}`.split('\n');
      const ours = told.filter((line) => line.includes('etcd_lockstep'));
      expect(ours, String(status)).to.deep.equal([]);
    });
});

describe('deploy/: what the rules and the dashboard name', () => {
  it('each alert has a test, says what it means and what to do, and is in docs/watching.md', () => {
    expect(ALERTS.length).to.be.greaterThan(20);
    const page = read('docs/watching.md');
    for (const name of ALERTS) {
      expect(RULE_TESTS, name).to.contain(`alertname="${name}"`);
      expect(page, name).to.contain(`\`${name}\``);
    }
    for (const part of RULES.split('- alert: ').slice(1))
      for (const key of ['severity', 'summary', 'description', 'action', 'docs'])
        expect(part, part.split('\n')[0]).to.contain(`${key}:`);
  });

  it('links that alerts give lead somewhere', () => {
    for (const [, page = '', anchor] of RULES.matchAll(/docs: (docs\/[\w-]+\.md)(?:#([\w-]+))?/g)) {
      const headings = [...read(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      );
      if (anchor !== undefined) expect(headings, page).to.include(anchor);
    }
  });

  it('names metrics that are exported, with the labels and values that they have', async () => {
    const text = await scraped();
    const named = [...namedIn(RULES), ...namedIn(DASHBOARD)];
    expect(named.length).to.be.greaterThan(60);
    for (const { name, labels } of named) {
      const series = text.split('\n').filter((line) => new RegExp(`^${name}[{ ]`).test(line));
      expect(series, name).not.to.deep.equal([]);
      for (const [label, value] of labels.filter(([one]) => !GIVEN.includes(one))) {
        expect(series[0], name).to.contain(`${label}="`);
        for (const one of value.split('|')) expect(VALUES[label], name).to.include(one);
      }
    }
  });

  it('shows every metric that is exported', async () => {
    const text = await scraped();
    const exported = [...text.matchAll(/^# TYPE (etcd_lockstep_\w+)/gm)].map(
      ([, name = '']) => name,
    );
    const shown = exported.filter((name) => !/_trouble_since_|_night_step_number/.test(name));
    for (const name of shown) expect(DASHBOARD, name).to.contain(name);
  });

  it('the dashboard that is there is the one that is made', () => {
    const there = readFileSync(
      new URL('../../deploy/grafana/etcd-lockstep.json', import.meta.url),
      'utf8',
    );
    expect(JSON.parse(there)).to.deep.equal(dashboard());
  });
});

/** What the labels of the rules may be. */
const VALUES: Record<string, readonly string[]> = {
  // The last two are of late writes.
  state: [...Object.values(STATES).flat(), 'replaced', 'open'],
  step: [...CUTOVER_STEPS, ...ROLLBACK_STEPS].map(({ name }) => name),
  result: ['equal', 'different', 'failed'] satisfies View['audits'][number]['result'][],
};
