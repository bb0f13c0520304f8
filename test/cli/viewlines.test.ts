/** What `watch` draws: all that matters, within the columns, and nothing that a terminal would obey. */
import { expect } from 'chai';
import { paint, type StyledLine } from '../../src/cli/styled.js';
import { runningRows } from '../../src/cli/running.js';
import { Trend } from '../../src/cli/trend.js';
import { viewLines } from '../../src/cli/viewlines.js';
import type { Watched } from '../../src/cli/watched.js';
import type { View } from '../../src/listen/view.js';
import { parseView } from '../../src/listen/viewschema.js';
import { followed, nightView } from '../listen/fixtures.js';

const trends = () => ({
  ...{ sourceRate: new Trend(), targetRate: new Trend() },
  ...{ lagSeconds: new Trend(), journalBytes: new Trend() },
});

function drawn(view: View, other: Partial<Watched> = {}): string[] {
  const columns = other.columns ?? 80;
  const nowMs = Date.parse(view.at);
  const lines = viewLines({
    ...{ view, nowMs, gone: null, columns, unicode: true, trends: trends() },
    ...other,
  });
  return lines.map((line) => paint(line, columns, false));
}

describe('watch: the picture', () => {
  it('a follower in lockstep: heads, lag, journal, window, leases, what to do next', () => {
    const text = drawn(followed()).join('\n');
    expect(text).to.match(/^follow: IN LOCKSTEP +1\.2\.3 {2}up /);
    for (const part of [
      ...[/source +5000/, /target +5000/, /lag +0 rev, 0\.0 s/, /journal +4\.0 KiB, 954 MiB free/],
      ...[/window +5m00s left of 5m00s/, /leases +7 kept/, /UNAVAILABLE target 4x/],
      ...[/next +\S/, /etcd-lockstep audit --history/],
    ])
      expect(text).to.match(part);
  });

  it('which way it goes, where proposals were asked for, and why it goes another', () => {
    expect(drawn(followed()).join('\n')).not.to.match(/^by /m);
    const where = 'the peer port http://10.0.1.1:2380';
    const asked = drawn(followed({ way: { by: 'proposals', where, why: null } })).join('\n');
    expect(asked).to.match(/^by +proposals, through the peer port http:\/\/10\.0\.1\.1:2380$/m);
    const why = { code: 'PEER_PORT', message: 'refused', hint: 'Give the URLs.' } as const;
    const slower = drawn(followed({ way: { by: 'transactions', where: null, why } })).join('\n');
    expect(slower).to.match(/^by +transactions: refused \[PEER_PORT\]\. Give the URLs\.$/m);
  });

  it('`status --listener` says it where it goes another way than was asked', () => {
    const rows = (view: View) => runningRows({ listener: 'http://a:1/', trouble: null, view });
    expect(Object.fromEntries(rows(followed()))).not.to.have.property('written by');
    const why = { code: 'PEER_PORT', message: 'refused', hint: null } as const;
    const slower = followed({ way: { by: 'transactions', where: null, why } });
    expect(rows(slower)).to.deep.include(['written by', 'transactions: refused [PEER_PORT]']);
  });

  it('a night: alarms first, the frozen time that runs, the fence, apiservers, steps', () => {
    const view = nightView();
    const lines = drawn(view, { nowMs: Date.parse(view.at) + 1500 });
    const text = lines.join('\n');
    for (const part of [
      ...[
        /ALARM +a late write/,
        /writes are refused for 14\.0 s/,
        /fence +1,500 ahead, margin 1,000/,
      ],
      ...[/moved +https:\/\/10\.0\.0\.1:6443 {2}serves from target/],
      ...[/ \+ +1 freeze/, / > +2 switch/, /FAILED .* ago: the source is away/, /2 DIFFERENCES/],
      ...[/2 not refreshed; the first ends in 30\.0 s/, /progress +25 %; 1 of 4/],
    ])
      expect(text).to.match(part);
    expect(text.indexOf('ALARM')).to.be.lessThan(text.indexOf('freeze'));
  });

  for (const columns of [40, 60, 80, 200])
    it(`nothing is wider than ${columns} columns, and a command can be copied`, () => {
      const command = `etcd-lockstep audit ${'--endpoints http://10.0.0.1:2379 '.repeat(5)}`.trim();
      const view = { ...nightView(), next: { text: 'Audit, then cut over. '.repeat(9), command } };
      const lines = drawn(view, { columns });
      for (const line of lines) expect(line.length).to.be.at.most(columns);
      const shown = lines.map((line) => line.trim()).join('\n');
      expect(shown.replaceAll(' \\\n', ' ')).to.contain(command);
    });

  it('one that is gone: since when, why, and that the rest is from then', () => {
    const view = followed();
    const nowMs = Date.parse(view.at) + 60_000;
    const text = drawn(view, {
      nowMs,
      gone: { sinceMs: nowMs - 50_000, why: 'connect ECONNREFUSED' },
    }).join(' ');
    expect(text).to.match(/NO ANSWER since \d\d:\d\d:\d\d \(50\.0 s\): connect ECONNREFUSED/);
    expect(text).to.contain('is from then');
  });

  it('control characters of another process do not get out, colours or not', () => {
    const view = {
      ...followed(),
      sentence: 'a\x1b]0;title\x07b\u202ec\r\nd',
      prefixes: ['/\x9b2J'],
    };
    expect(drawn(view).join('')).not.to.match(/[\x00-\x1f\x7f-\x9f\u202e]/);
    const line: StyledLine = [['bad', 'a\x1b[2Jb']];
    expect(paint(line, 80, true)).to.equal('\x1b[1;31ma [2Jb\x1b[0m');
  });

  it('bars: a share of the highest, no more than fit, none of nothing', () => {
    const trend = new Trend();
    expect(trend.bars(10, true)).to.equal('');
    for (const value of [0, 1, 4, 8, null]) trend.add(value);
    expect(trend.bars(10, true)).to.equal('▁▂▅█');
    expect(trend.bars(2, false)).to.equal('=#');
    expect(trend.bars(0, true)).to.equal('');
  });
});

describe('a view as it is heard', () => {
  it('is what was told', () => {
    for (const view of [followed(), nightView()])
      expect(parseView(JSON.stringify(view))).to.deep.equal(JSON.parse(JSON.stringify(view)));
  });

  it('is refused where something is missing, or is none', () => {
    const { heads: _, ...less } = followed();
    for (const text of ['', '<html>', '{}', '[]', 'null', JSON.stringify(less)])
      expect(parseView(text), text).to.equal(undefined);
    const odd = { ...followed(), at: 'yesterday' };
    expect(parseView(JSON.stringify(odd))).to.equal(undefined);
  });
});
