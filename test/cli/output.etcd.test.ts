/**
 * Output that cannot be written, and bugs, with every kind of command and real servers: none ends with a
 * code that says something about the result, and what a command works on is left as by SIGTERM.
 *
 * What it catches. Each of these was put in, found, and taken out again:
 *   a command that writes past the output (stdout lost: 0, 1 or a stack trace); a fence that ends with its
 *   log; an audit that is ended in the middle and says what it has not found
 */
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compareHistory } from '../../src/audit/history.js';
import { put } from '../../src/target/txn.js';
import { EtcdClient } from '../../src/wire/client.js';
import { SmallDisk } from '../crash/smalldisk.js';
import { Pair, until } from '../cutover/pair.js';
import { errorOf, run, Running, whole } from './run.js';
import { eventually, PODS } from './stage.js';

const FULL = '/dev/full';
const STARTED_WITHIN_MS = 60_000;

describe('output that cannot be written', () => {
  let pair: Pair;
  before(async () => {
    pair = await Pair.start(3000);
    await pair.synced();
  });
  after(() => pair.end());

  const source = () => ['--endpoints', pair.stage.source.endpoint];
  const both = () => [...source(), '--dest-endpoints', pair.target.endpoint];
  const prefixed = () => [...both(), '--prefix', PODS];
  const follow = () => ['follow', ...both(), '--journal', pair.seeded.journal];
  let seeds = 0;
  const seed = (name: string) => [
    ...['seed', ...source(), '--prefix', PODS],
    ...['--journal', join(pair.stage.dir, name), '--out', join(pair.stage.dir, `${name}.db`)],
  ];

  const COMMANDS: Record<string, () => string[]> = {
    help: () => ['--help'],
    version: () => ['--version'],
    plan: () => ['plan', ...prefixed(), '--sample', '1'],
    seed: () => seed(`unheard-${seeds++}`),
    audit: () => ['audit', ...prefixed()],
    'audit --values': () => ['audit', '--values', ...prefixed()],
    status: () => ['status', ...both()],
    'freeze print': () => ['freeze', 'print', '--way', 'policy'],
    follow,
  };
  for (const [name, args] of Object.entries(COMMANDS))
    for (const flags of name === 'help' || name === 'version' ? [[]] : [[], ['-w', 'json']])
      it(`${[name, ...flags].join(' ')} > /dev/full: ends by itself, and says why`, async () => {
        // With text, follow has nothing to say on stdout before its end.
        const ends = name === 'follow' && flags.length === 0 ? ['--until-synced'] : [];
        const given = [...args(), ...ends, ...flags];
        const { code, stderr } = await run(given, {}, { stdout: FULL });
        // There is no mirror here.
        expect(code, stderr).to.equal(name === 'audit --values' ? 5 : 6);
        if (code === 6) expect(stderr).to.contain('stdout cannot be written: ENOSPC');
        expect(stderr).not.to.match(/^ +at /m);
      });

  it('audit that finds differences: not exit 1', async () => {
    const args = ['audit', ...prefixed(), '--revision', `${pair.seeded.sealed.head}`];
    expect((await run(args)).code).to.equal(0);
    // What is not moved is not on the target.
    const elsewhere = ['audit', ...both(), '--prefix', '/registry/events/'];
    await pair.stage.put('/registry/events/e');
    await pair.synced();
    expect((await run(elsewhere)).code).to.equal(1);
    expect((await run(elsewhere, {}, { stdout: FULL })).code).to.equal(6);
  });

  it('an audit of history that is ended finds no differences', async () => {
    const [from, to] = [pair.stage.client, pair.targetClient];
    const [there, here] = await Promise.all([from.status(), to.status()]);
    const found: unknown[] = [];
    const failed = await compareHistory(
      { client: from, status: there },
      { client: to, status: here },
      {
        prefixes: pair.identity.prefixes,
        after: 1,
        to: there.head,
        signal: AbortSignal.abort(new Error('ended')),
      },
      (difference) => found.push(difference),
    ).catch((error: unknown) => error);
    expect(failed).to.be.an.instanceOf(Error).with.property('message', 'ended');
    expect(found).to.deep.equal([]);
  });

  it('stderr alone: what has nothing to say there is done', async () => {
    for (const args of [['status', ...both()], ['audit', ...prefixed()], ['--help']])
      expect((await run(args, {}, { stderr: FULL })).code).to.equal(0);
    const { code } = await run(follow(), {}, { stderr: FULL });
    expect(code).to.equal(6);
  });

  it('what fails for another reason keeps its code', async () => {
    const nobody = ['status', '--dest-endpoints', 'http://127.0.0.1:1'];
    expect((await run(nobody, {}, { stdout: FULL, stderr: FULL })).code).to.equal(3);
    expect((await run(['status', '--no-such'], {}, { stderr: FULL })).code).to.equal(2);
  });

  it('audit | head: 1 is what it has found, 130 that it was ended; never 0', async () => {
    const other = await pair.stage.etcd();
    const client = new EtcdClient(other.endpoint, 'target');
    const { source: head } = await pair.heads();
    const at = (i: number) => put(Buffer.from(`${PODS}${i}`), Buffer.from('another'));
    for (let i = 0; i < head; i++) await client.txn({ compare: [], success: [at(i)] });
    client.close();
    const args = ['audit', ...source(), '--dest-endpoints', other.endpoint, '--prefix', PODS];
    for (const flags of [['-w', 'json'], []]) {
      const running = new Running([...args, ...flags, '--revision', `${head}`]);
      await running.until(({ stdout }) => stdout.includes('different'));
      running.leave();
      expect((await running.ended).code).to.be.oneOf([1, 130]);
    }
  });

  for (const how of ['uncaught', 'rejection'])
    it(`follow with a bug (${how}): exit 70, the stack, and the next one goes on`, async () => {
      const running = new Running([...follow(), '-w', 'json'], {
        LOCKSTEP_FAILPOINT: `lockstep.cursor.remember:1:${how}`,
      });
      await running.until(({ stderr }) => stderr.includes('target found'));
      await pair.stage.put(`${PODS}bug`, how);
      const { code, stderr } = await running.ended;
      expect(code, stderr).to.equal(70);
      expect(stderr).to.match(/Error: a fail point\n +at /);
      expect((await run([...follow(), '--until-synced'])).code).to.equal(0);
    });

  it('a log on a disk that fills up: follow ends with whole lines but the last', async function () {
    const disk = await SmallDisk.mount(1);
    if (!disk) this.skip();
    try {
      const path = join(disk.path, 'out');
      writeFileSync(path, `${JSON.stringify('.'.repeat(200))}\n`);
      disk.leave(0);
      const ended = await run([...follow(), '-w', 'json'], {}, { stdout: path });
      expect(ended.code, ended.stderr).to.equal(6);
      expect(errorOf(ended).code).to.equal('OUTPUT_LOST');
      expect(whole(readFileSync(path, 'utf8')).length).to.be.greaterThan(3);
    } finally {
      await disk.unmount();
    }
  });

  it('fence > /dev/full 2>&1: the fence is kept until SIGTERM; then exit 6', async () => {
    const { stage } = pair;
    await pair.synced();
    const args = ['fence', ...both(), '--yes', '--margin', '200', '--quiet', '20ms'];
    const elsewhere = { stdout: FULL, stderr: FULL };
    const running = new Running(args, {}, STARTED_WITHIN_MS, elsewhere);
    const ahead = async () => {
      const { source: from, target } = await pair.heads();
      return target - from;
    };
    await until(async () => (await ahead()) >= 200);
    // More than the margin: without somebody who keeps it, it would be overtaken.
    for (let i = 0; i < 3; i++) {
      await stage.foreign(150);
      await eventually(async () => (await ahead()) >= 200);
    }
    running.signal('SIGTERM');
    expect((await running.ended).code).to.equal(6);
  });
});
