/**
 * Hooks of commands that run: what each is told while a follower reaches lockstep, loses it, audits and ends,
 * and while a target is fenced; and that nothing that a hook does is felt by the work.
 */
import { expect } from 'chai';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Hooks } from '../../src/hooks/hooks.js';
import { Migration, type FollowStatus } from '../../src/index.js';
import { followView } from '../../src/listen/followview.js';
import * as contract from '../cli/contract.js';
import { errorOf, run, Running } from '../cli/run.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';
import { Pair, until } from '../cutover/pair.js';
import { COMMANDS, facts } from '../listen/fixtures.js';
import type { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';
import { Book } from './told.js';

const KEYS = 20;
const SECRET = 'c2VjcmV0-marker';
const LASTS_MS = 1000;

describe('hooks of a follower', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;
  before(async () => {
    stage = await Stage.start();
    for (let i = 0; i < KEYS; i++) await stage.put(`${PODS}ns/${i}`, SECRET);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  after(() => stage.end());

  const follow = (...more: string[]) =>
    new Running([...stage.followArgs(seeded.journal, target.endpoint), ...more]);

  it('that hang, fail, flood and are away: it is in lockstep meanwhile, and all others are told', async () => {
    const book = new Book(stage.dir);
    let asked = 0;
    const silent: Server = createServer(() => asked++).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    try {
      const hooks = ['sleep 1000', 'exit 3', 'yes >&2', book.command];
      const urls = [`http://u:p4ss@127.0.0.1:${port}/T0/t0ken`, 'http://127.0.0.1:1/T0/t0ken'];
      const it = follow(
        ...hooks.flatMap((one) => ['--on-event', one]),
        ...urls.flatMap((one) => ['--webhook', one]),
        ...['--audit-every', '1s'],
      );
      const { clusters } = await book.heard('lockstep-reached');
      await until(() => asked > 0);
      const revision = await stage.put(`${PODS}ns/0`, SECRET);
      await it.line(contract.follow, ({ position }) => (position ?? 0) >= revision);
      const audit = await book.heard('audit', (one) => (one.revision ?? 0) >= revision);
      expect(audit).to.deep.include({ result: 'equal', keys: KEYS, differences: 0, clusters });
      expect(audit.report).to.match(/\.audit\/audit-\w+\.html$/);
      it.signal('SIGTERM');
      const { code, stdout, stderr } = await it.ended;
      expect(code, stderr).to.equal(0);
      expect(book.events.at(-1)).to.deep.include({ event: 'end', exitCode: 0, error: null });
      for (const why of ['ended with exit code 3', 'it printed more than 64 KiB'])
        expect(stderr.split(why).length, why).to.equal(2);
      expect(stderr).to.match(/--on-event \(number 1\): events that were not told in the end: \d/);
      expect(stderr).to.match(/--webhook http:..127\.0\.0\.1:1\/…: events .* not told in the end/);
      expect(stdout + stderr + book.text).not.to.match(new RegExp(`${SECRET}|p4ss|t0ken`));
    } finally {
      silent.closeAllConnections();
      silent.close();
    }
  });

  it('a target that goes and comes back: trouble, lost, reached again and over, once each', async () => {
    const book = new Book(stage.dir);
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: target.clientPort });
    const hooks = new Hooks({
      ...{ commands: [book.command], urls: [], command: 'follow', lastsMs: LASTS_MS },
      onNote: () => undefined,
    });
    const { endpoint: source } = stage.source;
    const migration = new Migration({ source, target: proxy.endpoint });
    const stop = new AbortController();
    let status: FollowStatus | undefined;
    const request = { journal: seeded.journal, everyMs: 50, signal: stop.signal };
    const view = () => followView(facts(), status ?? null, COMMANDS);
    const done = hooks.watch({ view, reports: undefined }, async () => {
      for await (const now of migration.follow(request)) status = now;
    });
    try {
      const first = await book.heard('lockstep-reached');
      expect(first.again).to.equal(false);
      proxy.cut();
      proxy.refuse(true);
      const lost = await book.heard('lockstep-lost');
      expect(lost).to.deep.include({ state: 'waiting for the target', incident: first.incident });
      const { trouble, incident } = await book.heard('trouble');
      expect(trouble.code).to.equal('UNAVAILABLE');
      proxy.refuse(false);
      expect(await book.heard('trouble-over')).to.include({ incident });
      expect(await book.heard('lockstep-reached', ({ again }) => again)).to.deep.include({
        ...{ incident: first.incident, clusters: lost.clusters },
      });
    } finally {
      stop.abort();
      await done;
      await hooks.end(0, null);
      migration.close();
      await proxy.close();
    }
    expect([...book.names].sort()).to.deep.equal([
      ...[
        'end',
        'lockstep-lost',
        'lockstep-reached',
        'lockstep-reached',
        'trouble',
        'trouble-over',
      ],
    ]);
    expect(book.names.at(-1)).to.equal('end');
  });

  it('a follower that cannot begin tells how it has ended', async () => {
    const book = new Book(stage.dir);
    const empty = await stage.etcd();
    await empty.ctl('put', `${PODS}x`, 'of somebody else');
    const ended = await run([
      ...stage.followArgs(seeded.journal, empty.endpoint),
      ...['--on-event', book.command],
    ]);
    const { code, message, hint = null } = errorOf(ended);
    const [told] = book.events.filter(({ event }) => event === 'end');
    expect(told).to.deep.include({ exitCode: ended.code, error: { code, message, hint } });
  });

  it('what is no command or address of a server is refused, and not repeated', async () => {
    for (const [flag, given] of [
      ['--webhook', 'ftp://hooks/t0ken'],
      ['--webhook', 't0ken'],
      ['--webhook', 'http://me:100%t0ken@127.0.0.1:1/'],
      ['--on-event', ' '],
    ] as const) {
      const ended = await run(['follow', '--endpoints', 'http://127.0.0.1:1', flag, given]);
      expect(ended.code).to.equal(2);
      expect(ended.stderr).to.contain(`${flag} (not shown): must`).and.not.to.contain('t0ken');
    }
  });
});

describe('hooks of a night', () => {
  let pair: Pair;
  let book: Book;
  before(async () => {
    pair = await Pair.start();
  });
  beforeEach(() => {
    book = new Book(pair.stage.dir);
  });
  after(() => pair.end());

  const night = (command: string, ...more: string[]) =>
    run([
      ...[command, '--endpoints', pair.stage.source.endpoint],
      ...['--dest-endpoints', pair.target.endpoint, '--yes', '-w', 'json'],
      ...['--on-event', book.command, ...more],
    ]);
  const steps = () =>
    book.events.flatMap((one) =>
      one.event === 'step' ? [`${one.number}/${one.of} ${one.step} ${one.state}`] : [],
    );

  it('a cutover that fails at its first step: that it has, and why', async () => {
    const kubeconfig = join(pair.stage.dir, 'kubeconfig');
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
      contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
      clusters: [{ name: 'k', cluster: { server: 'https://127.0.0.1:1' } }],
      users: [{ name: 'u', user: { token: SECRET } }],
    };
    writeFileSync(kubeconfig, JSON.stringify(config));
    const ended = await night('cutover', '--kubeconfig', kubeconfig);
    const { code, message, hint = null } = errorOf(ended);
    expect(steps()).to.deep.equal(['1/10 preflight begun', '1/10 preflight failed']);
    expect(book.events.at(-1)).to.deep.include({
      ...{ event: 'end', command: 'cutover', exitCode: ended.code },
      error: { code, message, hint },
    });
    expect(book.text).not.to.contain(SECRET);
  });

  it('a fence: each step begun and done, in their order, then the end', async () => {
    pair.follow();
    const ended = await night('fence', '--once', '--margin', '50', '--quiet', '50ms');
    expect(ended.code, ended.stderr).to.equal(0);
    const names = ['drain', 'compare', 'takeover', 'raise'];
    expect(steps()).to.deep.equal(
      names.flatMap((name, i) => [`${i + 1}/5 ${name} begun`, `${i + 1}/5 ${name} done`]),
    );
    expect(book.events.at(-1)).to.deep.include({ event: 'end', exitCode: 0, command: 'fence' });
  });
});
