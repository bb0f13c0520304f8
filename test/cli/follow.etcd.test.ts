/** follow, status and audit as a user runs them: how they start, end, and what they print. */
import { expect } from 'chai';
import type { Etcd } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import * as contract from './contract.js';
import { OnTerminal, run, Running, whole } from './run.js';
import { PODS, Stage, type Seeded } from './stage.js';

describe('follow', () => {
  let stage: Stage;
  let seeded: Seeded;
  beforeEach(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
  });
  afterEach(() => stage.end());

  async function head(etcd: Etcd): Promise<number> {
    const { header } = JSON.parse(await etcd.ctl('get', 'x', '-w', 'json')) as {
      header: { revision: number };
    };
    return header.revision;
  }

  it('one object a second and a last one; SIGTERM ends it with 0; the next one resumes', async () => {
    const target = await stage.etcd(seeded.base);
    const first = new Running(stage.followArgs(seeded.journal, target.endpoint));
    const start = await first.line(contract.follow, (line) => line.state === 'in lockstep');
    expect(start.position).to.equal(seeded.sealed.head);
    await stage.foreign(3);
    const there = await stage.put(`${PODS}b`);
    await first.line(contract.follow, (line) => line.position === there);
    first.signal('SIGTERM');
    const ended = await first.ended;
    expect(ended.code, ended.stderr).to.equal(0);
    const lines = whole(ended.stdout).map((line) => contract.follow.parse(line));
    expect(lines.at(-1)).to.deep.include({
      state: 'in lockstep',
      position: there,
      journalPosition: there,
      sourceHead: there,
      lagRevisions: 0,
      revisions: 1,
      fillers: 3,
    });
    for (const line of ended.stderr.trimEnd().split('\n'))
      expect(JSON.parse(line)).to.have.keys(['level', 'time', 'msg']);

    const more = await stage.put(`${PODS}c`);
    const next = await stage.follow(seeded.journal, target, '--until-synced');
    expect(next.code).to.equal(0);
    expect(await head(target)).to.equal(more);
    const last = contract.follow.parse(whole(next.stdout).at(-1));
    expect(last).to.deep.include({ position: more, revisions: 1, fillers: 0 });
  });

  it('started before its target exists, it captures and waits, then follows', async () => {
    const [clientPort = 0] = await freePorts(1);
    const follower = new Running(
      stage.followArgs(seeded.journal, `http://127.0.0.1:${clientPort}`),
    );
    const there = await stage.put(`${PODS}b`);
    const waits = await follower.line(contract.follow, (line) => line.journalPosition === there);
    expect(waits).to.deep.include({ state: 'waiting for the target', position: null });
    // What the target needs is in the journal now, whatever the source forgets.
    await stage.foreign(5);
    await follower.line(contract.follow, (line) => line.journalPosition === there + 5);
    await stage.client.compact(there + 2);
    const target = await stage.etcd(seeded.base, { clientPort });
    await follower.line(contract.follow, (line) => line.position === there + 5);
    follower.signal('SIGINT');
    expect((await follower.ended).code).to.equal(0);
    expect((await stage.audit(target)).code).to.equal(0);
  });

  it('SIGTERM while it waits for the target ends it, too', async () => {
    const follower = new Running(stage.followArgs(seeded.journal, 'http://127.0.0.1:1'));
    await follower.line(contract.follow, (line) => line.state === 'waiting for the target');
    follower.signal('SIGTERM');
    const { code, stdout } = await follower.ended;
    expect(code).to.equal(0);
    expect(contract.follow.parse(whole(stdout).at(-1)).position).to.equal(null);
  });

  it('a lost terminal ends it as SIGTERM does', async () => {
    const target = await stage.etcd(seeded.base);
    for (const flags of [[], ['-w', 'json']]) {
      const args = stage.followArgs(seeded.journal, target.endpoint).slice(0, -2);
      const follower = new Running([...args, ...flags]);
      await follower.until(({ stderr }) => stderr.includes('target found'));
      follower.hangUp();
      expect((await follower.ended).code).to.equal(0);
    }
  });

  it('so does one that is taken away, without a signal, and its exit is no crash', async () => {
    const target = await stage.etcd(seeded.base);
    const args = stage.followArgs(seeded.journal, target.endpoint);
    for (const flags of [args, args.slice(0, -2)]) {
      const follower = new OnTerminal(flags, stage.dir);
      await follower.until('target found');
      follower.takeAway();
      expect(await follower.code()).to.equal(0);
    }
  });

  it('so does a reader that goes away', async () => {
    const target = await stage.etcd(seeded.base);
    const follower = new Running(stage.followArgs(seeded.journal, target.endpoint));
    await follower.line(contract.follow, (line) => line.state === 'in lockstep');
    follower.leave();
    expect((await follower.ended).code).to.equal(0);
  });

  it('--until-revision ends exactly there: at data, inside a gap, with more to come', async () => {
    const target = await stage.etcd(seeded.base);
    const data = await stage.put(`${PODS}b`);
    await stage.foreign(40);
    await stage.put(`${PODS}c`);
    for (const goal of [data, data + 1, data + 17, data + 40]) {
      const ended = await stage.follow(seeded.journal, target, '--until-revision', `${goal}`);
      expect(ended.code, ended.stderr).to.equal(0);
      expect(contract.follow.parse(whole(ended.stdout).at(-1)).position).to.equal(goal);
      expect(await head(target)).to.equal(goal);
    }
  });

  it('as text: results on stdout, log and progress on stderr', async () => {
    const target = await stage.etcd(seeded.base);
    await stage.foreign(2);
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const { code, stdout, stderr } = await run([
      ...['follow', ...ends, '--journal', seeded.journal, '--until-synced'],
    ]);
    expect(code).to.equal(0);
    expect(stdout).to.match(/^Stopped at revision \d+, 0 behind/);
    expect(stderr).to.contain('target found at revision');
    expect(stderr).to.match(
      /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d\] INFO: in lockstep; lag 0 rev, 0\.0 s; revision \d+/m,
    );
  });

  it('proposals that nobody takes: told once, on the line and at the end, and it goes on', async () => {
    const target = await stage.etcd(seeded.base);
    await stage.foreign(2);
    const ends = ['--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint];
    const { code, stdout, stderr } = await run([
      ...['follow', ...ends, '--journal', seeded.journal, '--until-synced'],
      ...['--dest-peers', 'http://127.0.0.1:1'],
    ]);
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(
      /^Stopped at revision \d+, 0 behind[^]*^Not by proposals at the end: /m,
    );
    expect(stdout).to.contain('the peer port http://127.0.0.1:1');
    expect(stderr.match(/WARN: the peer port .*; going on by transactions/g)).to.have.lengthOf(1);
    expect(stderr).to.contain('by transactions (PEER_PORT)');
  });

  it('on a terminal of 60 columns state and lag are on the line', async () => {
    const target = await stage.etcd(seeded.base);
    const args = ['follow', '--endpoints', stage.source.endpoint, '--journal', seeded.journal];
    const to = ['--dest-endpoints', target.endpoint];
    const terminal = new OnTerminal([...args, ...to], stage.dir, 60);
    await terminal.until('in lockstep; lag 0 rev, 0.0 s; revision ');
    terminal.type('\x03');
    expect(await terminal.code()).to.equal(0);
    const lines = terminal.output.split('\r\x1b[K').filter((text) => !text.includes('\n'));
    expect(lines.filter((text) => text.length > 0)).not.to.deep.equal([]);
    for (const text of lines) expect(text.replace('^C', '').length, text).to.be.lessThan(60);
  });

  it('a journal that another process has open is named', async () => {
    const first = new Running(stage.followArgs(seeded.journal, 'http://127.0.0.1:1'));
    await first.line(contract.follow, () => true);
    const { code, stderr } = await run([
      ...['follow', '--endpoints', stage.source.endpoint],
      ...['--dest-endpoints', 'http://127.0.0.1:1', '--journal', seeded.journal],
    ]);
    expect(code).to.equal(2);
    expect(stderr).to.match(/\[JOURNAL_LOCKED\]\nTry: /);
    first.signal('SIGTERM');
    await first.ended;
  });

  it('status: the cursor, how far behind, and whether it may be followed into', async () => {
    const target = await stage.etcd(seeded.base);
    await stage.foreign(4);
    const alone = ['status', '--dest-endpoints', target.endpoint];
    const both = [...alone, '--endpoints', stage.source.endpoint];
    const state = async (args: string[]) => {
      const { code, stdout, stderr } = await run([...args, '-w', 'json']);
      expect(code, stderr).to.equal(0);
      expect(whole(stdout)).to.have.lengthOf(1);
      return contract.status.parse(whole(stdout)[0]);
    };
    const fresh = await state(both);
    expect(fresh).to.deep.include({ position: seeded.sealed.head, trouble: null, lagRevisions: 4 });
    expect(fresh.cursor).to.deep.include({ keys: 1, prefixes: [PODS], follower: null });
    expect(await state(alone)).to.deep.include({ sourceHead: null, lagRevisions: null });

    await stage.follow(seeded.journal, target, '--until-synced');
    const followed = await state(both);
    expect(followed).to.deep.include({ lagRevisions: 0, trouble: null });
    expect(followed.cursor?.follower).to.match(/^[0-9a-f-]{36}$/);
    const value = await target.ctl('get', 'etcd-lockstep/cursor', '--print-value-only');
    expect(contract.cursor.parse(JSON.parse(value))).to.deep.equal(followed.cursor);

    await target.ctl('put', 'theirs', 'v');
    expect((await state(both)).trouble?.code).to.equal('TARGET_HEAD_OFF');
    const text = await run(both);
    expect(text.stdout).to.match(/TROUBLE: .*\[TARGET_HEAD_OFF\]\n[^]* Next: /);

    const nothing = await run(['status', '--dest-endpoints', stage.source.endpoint]);
    expect(nothing.code, nothing.stderr).to.equal(0);
    expect(nothing.stdout).to.match(
      /target +somebody else's\n[^]* Next: It has keys and none of ours/,
    );
  });
});
