/** The control socket of a follower, by its own command and by whatever else may connect to it. */
import { expect } from 'chai';
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import type { Etcd } from '../rig/etcd.js';
import * as contract from './contract.js';
import { errorOf, run, Running, whole, type Ended } from './run.js';
import { eventually, PODS, Stage, type Seeded } from './stage.js';

interface Raw {
  status: number;
  body: { error?: { message: string } };
}

describe('control', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;
  beforeEach(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  afterEach(() => stage.end());

  const socket = () => `${seeded.journal}.sock`;

  async function follower(...more: string[]): Promise<Running> {
    const running = new Running([...stage.followArgs(seeded.journal, target.endpoint), ...more]);
    await running.line(contract.follow, (line) => line.state === 'in lockstep');
    return running;
  }

  async function control(...words: string[]): Promise<Ended> {
    return run(['control', ...words, '--journal', seeded.journal]);
  }

  async function asked<T>(schema: { parse: (line: unknown) => T }, ...words: string[]): Promise<T> {
    const { code, stdout, stderr } = await control(...words, '-w', 'json');
    expect(code, stderr).to.equal(0);
    return schema.parse(whole(stdout)[0]);
  }

  async function raw(method: string, path: string, body = ''): Promise<Raw> {
    return new Promise((resolve, reject) => {
      const sent = request({ socketPath: socket(), method, path }, (response) => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString()));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) as Raw['body'] });
        });
      });
      sent.once('error', reject);
      sent.end(body);
    });
  }

  it('every verb: asked, in effect, logged, and the same after it as before', async () => {
    const running = await follower('--max-rate', '50');
    expect(statSync(socket()).mode & 0o777, 'its owner alone').to.equal(0o600);

    const { throttle } = await asked(contract.follow, 'status');
    expect(throttle).to.deep.include({ maxRate: 50, because: 'max rate' });
    expect((await control('status')).stdout).to.match(/^in lockstep; lag 0 rev/);

    const slower = await asked(contract.control.throttle, 'throttle', '20');
    expect(slower.throttle).to.deep.equal({ maxRate: 20, before: 50 });
    await running.line(contract.follow, (line) => line.throttle.maxRate === 20);
    const off = await control('throttle', 'off');
    expect(off.stdout).to.equal(
      'The target is written as fast as it goes (before: with 20 revisions a second at most).\n',
    );
    await running.line(contract.follow, (line) => line.throttle.maxRate === null);

    const { audit } = await asked(contract.control.audit, 'audit');
    expect(audit).to.deep.equal({ state: 'in lockstep', reports: `${seeded.journal}.audit` });
    const { audits } = await running.line(contract.follow, (line) => line.audits.length > 0);
    expect(audits[0]).to.deep.include({ result: 'equal', keys: 1 });
    expect(readFileSync(join(audit.reports, audits[0]?.file ?? ''), 'utf8')).to.contain('EQUAL');

    const quieter = await asked(contract.control.logLevel, 'log-level', 'error');
    expect(quieter.logLevel).to.deep.equal({ level: 'error', before: 'info' });
    await control('log-level', 'info');

    expect((await asked(contract.control.stop, 'stop')).stop).to.deep.equal({ stopping: true });
    const { code, stderr } = await running.ended;
    expect(code, stderr).to.equal(0);
    const logged = stderr.split('\n').filter((line) => line.includes('control socket: '));
    expect(logged.map((line) => (JSON.parse(line) as { msg: string }).msg)).to.deep.equal([
      'control socket: the target is written with 20 revisions a second at most (before: with 50 revisions a second at most)',
      'control socket: the target is written as fast as it goes (before: with 20 revisions a second at most)',
      `control socket: an audit as soon as it is in lockstep; reports: ${seeded.journal}.audit`,
      'control socket: the log level is error (before: info)',
      'control socket: the log level is info (before: error)',
      'control socket: stopping after what is under way',
    ]);
    expect(await unanswered(), 'nobody listens any more').to.equal('UNAVAILABLE');
  });

  async function unanswered(): Promise<string> {
    const ended = await control('status', '-w', 'json');
    expect(ended.code).to.equal(3);
    return errorOf(ended).code;
  }

  it('what makes no sense is refused, changes nothing, and holds nobody up', async () => {
    const running = await follower();
    for (const [words, code] of [
      [['throttle', '0'], 2],
      [['throttle', 'slow'], 2],
      [['throttle'], 2],
      [['log-level', 'loud'], 2],
      [['restart'], 2],
      [[], 2],
    ] as const)
      expect((await control(...words)).code, words.join(' ')).to.equal(code);

    const idle = connect(socket());
    const half = connect(socket());
    half.write('PUT /throttle HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"max');
    const refused: [string, string, string, number][] = [
      ['PUT', '/throttle', '{"maxRate":1.5}', 400],
      ['PUT', '/throttle', '{"maxRate":"9"}', 400],
      ['PUT', '/throttle', '{"maxRate":5,"more":1}', 400],
      ['PUT', '/throttle', '{', 400],
      ['PUT', '/throttle', '', 400],
      ['PUT', '/throttle', JSON.stringify({ maxRate: 5, more: 'x'.repeat(5000) }), 413],
      ['PUT', '/log-level', '{"level":"__proto__"}', 400],
      ['GET', '/throttle', '', 405],
      ['GET', '/stop', '', 405],
      ['GET', '/', '', 404],
      ['GET', '/__proto__', '', 404],
    ];
    for (const [method, path, body, status] of refused) {
      const answer = await raw(method, path, body);
      expect(answer.status, `${method} ${path} ${body.slice(0, 30)}`).to.equal(status);
      expect(answer.body.error?.message).to.be.a('string');
    }
    const all = await Promise.all(Array.from({ length: 20 }, () => raw('GET', '/status')));
    expect(all.map(({ status }) => status)).to.deep.equal(all.map(() => 200));
    const { throttle } = await asked(contract.follow, 'status');
    expect(throttle).to.deep.include({ maxRate: null, holds: false });
    // Those who say nothing do not keep it from its end either.
    running.signal('SIGTERM');
    expect((await running.ended).code).to.equal(0);
    for (const one of [idle, half]) one.destroy();
  });

  it('killed with -9 it leaves a socket that nobody listens on, and the next one takes its place', async () => {
    const first = await follower();
    first.signal('SIGKILL');
    await first.ended;
    expect(statSync(socket()).isSocket()).to.equal(true);
    expect(await unanswered()).to.equal('UNAVAILABLE');
    const next = await follower();
    await asked(contract.control.throttle, 'throttle', '7');
    await next.line(contract.follow, (line) => line.throttle.maxRate === 7);
    next.signal('SIGTERM');
    expect((await next.ended).stderr).not.to.contain('no control socket');
  });

  it('a second process does not get the journal, and leaves the socket of the first alone', async () => {
    const first = await follower();
    const second = await stage.follow(seeded.journal, target);
    expect(errorOf(second).code).to.equal('JOURNAL_LOCKED');
    await asked(contract.control.throttle, 'throttle', '9');
    await first.line(contract.follow, (line) => line.throttle.maxRate === 9);
    first.signal('SIGTERM');
    await first.ended;
  });

  it('where there can be none it goes on without, and says why', async () => {
    writeFileSync(socket(), 'a file of somebody');
    const running = await follower();
    const why = `no control socket at ${socket()}: something else lies there`;
    await running.until(({ stderr }) => stderr.includes(why));
    running.signal('SIGTERM');
    expect((await running.ended).code).to.equal(0);
    expect(readFileSync(socket(), 'utf8')).to.equal('a file of somebody');

    const deep = join(stage.dir, 'd'.repeat(60), 'journal-that-lies-far-down');
    mkdirSync(dirname(deep));
    renameSync(seeded.journal, deep);
    seeded.journal = deep;
    const other = await follower();
    const tooLong =
      /no control socket at .*: its path has 1\d\d bytes, and a socket's can have 107/;
    await other.until(({ stderr }) => tooLong.test(stderr));
    const refused = await control('status', '-w', 'json');
    expect(refused.code).to.equal(2);
    expect(errorOf(refused)).to.deep.include({ code: 'BAD_PATH', side: 'this machine' });
    other.signal('SIGTERM');
    expect((await other.ended).code).to.equal(0);
  });

  it('an audit that is asked for too soon comes when it is in lockstep', async () => {
    const running = new Running([
      ...stage.followArgs(seeded.journal, target.endpoint),
      ...['--max-rate', '20'],
    ]);
    await stage.foreign(100);
    await running.line(contract.follow, (line) => line.throttle.holds);
    const { audit } = await asked(contract.control.audit, 'audit');
    expect(audit.state).not.to.equal('in lockstep');
    await eventually(async () => (await asked(contract.follow, 'status')).audits.length > 0);
    running.signal('SIGTERM');
    const { stdout } = await running.ended;
    const lines = whole(stdout).map((line) => contract.follow.parse(line));
    const early = lines.filter(({ state, auditing }) => state === 'catching up' && auditing);
    expect(early).to.deep.equal([]);
  });

  it('a socket that this user may not use is told as that', async function () {
    if (process.getuid?.() === 0) this.skip();
    const running = await follower();
    chmodSync(socket(), 0);
    const refused = await control('status', '-w', 'json');
    expect(errorOf(refused).code).to.equal('BAD_PATH');
    running.signal('SIGTERM');
    await running.ended;
  });
});
