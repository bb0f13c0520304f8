/**
 * `fence` as its user runs it, killed and started again, and what no command of a cutover does: begin
 * without anybody to ask, or go on with another source. And what becomes of the follower.
 */
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { retire } from '../../src/cutover/retire.js';
import type { NightLine } from '../../src/listen/nightline.js';
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import { CUTOVER_KEY, parseCutover } from '../../src/target/cutoverstate.js';
import { EtcdClient } from '../../src/wire/client.js';
import * as contract from '../cli/contract.js';
import { errorOf, OnTerminal, run, Running, whole, type Ended } from '../cli/run.js';
import { fingerprint, PODS } from '../cli/stage.js';
import { Busy, failure, Pair, until } from './pair.js';

const count = z.number().int().nonnegative();
const report = z.strictObject({
  fence: z.strictObject({
    exact: count,
    keys: count,
    checksum: z.string().regex(/^[0-9a-f]{16}$/),
    heads: z.strictObject({ source: count, target: count }),
  }),
});

const MARGIN = 150;

describe('commands of a cutover', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start();
  });
  after(() => pair.end());

  const args = (source = pair.stage.source.endpoint) => [
    ...['fence', '--endpoints', source, '--dest-endpoints', pair.target.endpoint, '--yes'],
    ...['--margin', `${MARGIN}`, '--quiet', '50ms', '--max-freeze', '1', '-w', 'json'],
  ];
  const fence = (more: string[] = [], env?: Record<string, string>) =>
    run([...args(), ...more], env);

  function refused(ended: Ended, code: string, exit: number): string {
    expect(ended.code, ended.stderr).to.equal(exit);
    expect(ended.stdout).to.equal('');
    const error = errorOf(ended);
    expect(error.code).to.equal(code);
    expect(error.hint).to.match(/\.$/);
    return error.message;
  }

  async function ahead(): Promise<number> {
    const { source, target } = await pair.heads();
    return target - source;
  }

  it('without --yes and a terminal to ask on: usage, before anything is asked or written', async () => {
    const ends = ['--endpoints', 'http://127.0.0.1:1', '--dest-endpoints', 'http://127.0.0.1:19'];
    const ended = await run(['cutover', ...ends, '-w', 'json']);
    expect(refused(ended, 'BAD_ARGUMENT', 2)).to.contain('no terminal to ask on');
  });

  it('a target that lags and has no follower: NOT_DRAINED, exit 3, nothing changed', async () => {
    await pair.stage.put(`${PODS}0`, 'not there yet');
    const before = await fingerprint(pair.target);
    refused(await fence(['--once']), 'NOT_DRAINED', 3);
    expect(await fingerprint(pair.target)).to.deep.equal(before);
  });

  it('asks on the terminal: goes on after go, changes nothing after anything else', async () => {
    // So a go ends with NOT_DRAINED.
    await pair.stage.put(`${PODS}0`, 'not there either');
    const before = await fingerprint(pair.target);
    const answers: [how: string, answer: (on: OnTerminal) => void, code: number][] = [
      [
        'go',
        (on) => {
          on.type('go\n');
        },
        3,
      ],
      [
        'another word',
        (on) => {
          on.type('yes\n');
        },
        2,
      ],
      [
        'the end of input',
        (on) => {
          on.type('\x04');
        },
        2,
      ],
      [
        'Ctrl-C',
        (on) => {
          on.type('\x03');
        },
        130,
      ],
      [
        'no terminal any more',
        (on) => {
          on.takeAway();
        },
        2,
      ],
    ];
    for (const [how, answer, code] of answers) {
      const asked = args().filter((word) => word !== '--yes');
      const on = new OnTerminal([...asked, '--once'], pair.stage.dir);
      await on.until('Type go to go on: ');
      answer(on);
      expect(await on.code(), `${how}: ${on.output}`).to.equal(code);
    }
    expect(await fingerprint(pair.target)).to.deep.equal(before);
  });

  it('a cutover that fails at once has a report, which is whole; the next one lies beside it', async () => {
    const [file, next] = ['night.html', 'night-2.html'].map((name) => join(pair.stage.dir, name));
    const kubeconfig = join(pair.stage.dir, 'kubeconfig');
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
      clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'u', user: { token: 't' } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    const [, ...ends] = args().slice(0, 5);
    const cutover = (report: string) =>
      run([
        ...['cutover', ...ends, '--yes', '-w', 'json', '--report', report],
        ...['--kubeconfig', kubeconfig, '--apiservers', 'https://127.0.0.1:1'],
      ]);
    const before = await fingerprint(pair.target);
    for (const written of [file!, next!]) {
      const ended = await cutover(file!);
      expect(ended.code, ended.stderr).to.be.oneOf([3, 5]);
      expect(readFileSync(written, 'utf8')).to.contain('in step 1, preflight: nothing was changed');
      const verified = await run(['audit', 'verify', written]);
      expect(verified.stdout).to.match(/^WHOLE: /);
    }
    const refusedFirst = await cutover(join(pair.stage.dir, 'no', 'night.html'));
    expect(refused({ ...refusedFirst, stdout: '' }, 'BAD_PATH', 2)).to.contain('cannot write into');
    expect(await fingerprint(pair.target)).to.deep.equal(before);
  });

  it('killed before and behind the takeover, and started again: one takeover; --once ends', async () => {
    await pair.synced();
    const exact = (await pair.heads()).target;
    const sent = { LOCKSTEP_FAILPOINT: 'cutover.takeover.send' };
    expect((await fence(['--once'], sent)).code).to.equal(null);
    expect((await pair.heads()).target).to.equal(exact);
    const answer = { LOCKSTEP_FAILPOINT: 'cutover.takeover.answer' };
    expect((await fence(['--once'], answer)).code).to.equal(null);
    expect((await pair.heads()).target).to.equal(exact + 1);

    const { code, stdout, stderr } = await fence(['--once']);
    expect(code, stderr).to.equal(0);
    const { fence: found } = report.parse(JSON.parse(stdout));
    expect(found.exact).to.equal(exact);
    expect(found.keys).to.equal(5);
    expect(await ahead()).to.be.within(MARGIN, MARGIN + 64);
    const { rows } = await pair.targetClient.few({ key: CUTOVER_KEY });
    expect(parseKeyValue(rows[0]!)).to.include({ version: 1, createRevision: exact + 1 });
  });

  it('shows the fence over HTTP while it is kept, and ends promptly', async () => {
    const kept = new Running([...args(), '--listen', '0']);
    await kept.line(report, () => true);
    const [, url = ''] = /listening: (http:[^"\s]+)/.exec(kept.stderr) ?? [];
    const { night } = (await (await fetch(`${url}status.json`)).json()) as { night: NightLine };
    expect(night).to.include({ command: 'fence', state: 'kept', error: null });
    expect(night.fence?.ahead).to.be.at.least(MARGIN);
    expect(night.fence?.margin).to.equal(MARGIN);
    expect(night.toDo[0]?.text).to.contain('It waits for a signal');
    expect((await fetch(`${url}readyz`)).status).to.equal(200);
    kept.signal('SIGTERM');
    expect((await kept.ended).code).to.equal(0);
  });

  it('keeps the fence until SIGTERM; killed, overtaken and started again it says so and goes on', async () => {
    // More than is written before it is killed: a burst may overtake any smaller one.
    const first = new Running([...args(), '--margin', '1000']);
    await first.line(report, () => true);
    const busy = new Busy(pair.source, (n) => `/registry/events/${n % 9}`);
    await busy.more(300);
    expect(await ahead()).to.be.greaterThan(0);
    first.signal('SIGKILL');
    await first.ended;
    await until(async () => (await ahead()) < 0);
    await busy.stop();

    const second = new Running(args());
    const { fence: found } = await second.line(report, () => true);
    expect(found.heads.target - found.heads.source).to.be.at.least(MARGIN);
    await second.until(({ stderr }) => stderr.includes('the fence was overtaken'));
    second.signal('SIGTERM');
    expect((await second.ended).code).to.equal(0);
  });

  describe('a follower of a target that was taken over', () => {
    const follow = (...more: string[]) =>
      pair.stage.follow(pair.seeded.journal, pair.target, ...more);
    const last = ({ stdout }: Ended) => contract.follow.parse(whole(stdout).at(-1));
    let exact: number;
    before(async () => {
      await pair.setPhase('fenced');
      const { rows } = await pair.targetClient.few({ key: CUTOVER_KEY });
      exact = parseCutover(rows[0]!).exact;
    });

    it('has done its work: exit 0, and says so', async () => {
      for (const more of [[], ['--repair'], ['--until-revision', `${exact}`]]) {
        const ended = await follow(...more);
        expect(ended.code, ended.stderr).to.equal(0);
        expect(last(ended)).to.deep.include({
          state: 'taken over',
          cutover: { phase: 'fenced', exact },
          trouble: null,
        });
      }
      const args = pair.stage.followArgs(pair.seeded.journal, pair.target.endpoint);
      const { code, stdout } = await run(args.slice(0, -2));
      expect(code).to.equal(0);
      expect(stdout).to.match(/^TAKEN OVER at revision [\d,]+ for a cutover \(fenced\)/);
      expect(stdout).to.contain('need not be started again');
    });

    it('cannot reach an end that lies behind it: TARGET_CUT_OVER, exit 5', async () => {
      for (const more of [['--until-synced'], ['--until-revision', `${exact + 1}`]]) {
        const ended = await follow(...more);
        expect(ended.code, ended.stderr).to.equal(5);
        expect(errorOf(ended).code).to.equal('TARGET_CUT_OVER');
        expect(last(ended).cutover).to.equal(null);
      }
    });

    it('of one that was rolled back: a new seed', async () => {
      await pair.setPhase('rolled back');
      const args = pair.stage.followArgs(pair.seeded.journal, pair.target.endpoint);
      const { code, stdout } = await run(args.slice(0, -2));
      expect(code).to.equal(0);
      expect(stdout).to.contain('(rolled back)').and.to.contain('a new seed');
      await pair.setPhase('fenced');
    });

    it('of another source is refused as ever', async () => {
      const other = await Pair.start(1);
      try {
        const args = other.stage.followArgs(other.seeded.journal, pair.target.endpoint);
        const ended = await run(args);
        expect(ended.code, ended.stderr).to.equal(5);
        expect(errorOf(ended).code).to.equal('TARGET_OTHER_SOURCE');
      } finally {
        await other.end();
      }
    });
  });

  it("a mirror's key on a target that was cut over is no concern; any other key among ours is", async () => {
    await pair.target.ctl('put', 'etcd-lockstep/mirror/1:/a/:/a/', '{}');
    const { code, stderr } = await fence(['--once']);
    expect(code, stderr).to.equal(0);
    await pair.target.ctl('put', 'etcd-lockstep/stray', 'v');
    refused(await fence(['--once']), 'TARGET_FOREIGN_WRITE', 5);
    await pair.target.ctl('del', 'etcd-lockstep/stray');
  });

  it('goes on with the source that it began with, and with no other', async () => {
    const other = await pair.stage.etcd();
    const client = new EtcdClient(other.endpoint, 'source');
    try {
      await client.txn({
        success: [{ requestPut: { key: Buffer.from(`${PODS}a`), value: Buffer.from('v') } }],
      });
      const before = [await fingerprint(pair.target), await fingerprint(other)];
      refused(await run([...args(other.endpoint), '--once']), 'TARGET_OTHER_SOURCE', 5);
      expect(await fingerprint(pair.target)).to.deep.equal(before[0]);

      // Where pages were being removed, nothing else would have kept it from removing those.
      const signal = new AbortController().signal;
      await pair.setPhase('retiring');
      const error = await failure(
        retire({
          ...{
            source: client,
            target: pair.targetClient,
            resources: undefined,
            apiservers: [],
            signal,
          },
          ...{ watchSeconds: 0, rate: 1000, go: () => Promise.resolve(true) },
          onProgress: () => undefined,
          onNote: () => undefined,
        }),
      );
      expect(error.code).to.equal('TARGET_OTHER_SOURCE');
      expect(await fingerprint(other)).to.deep.equal(before[1]);
    } finally {
      client.close();
    }
  });
});
