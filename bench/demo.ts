/**
 * make demo: the main job on real input, in about a minute.
 *
 * A source is restored from a real Kubernetes snapshot and written to all the time. Beside that its
 * pods are seeded, followed, restored, the follower is killed and resumed, and all is audited, with a
 * page to watch it by and a report that stays. At the end the tool that one would have taken instead
 * copies the same pods, so that the difference can be seen.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { createGunzip } from 'node:zlib';
import type { AuditReport } from '../src/audit/report.js';
import type { FollowStatus } from '../src/lockstep/follow.js';
import { parseKeyValue } from '../src/mvcc/keyvalue.js';
import { prefixRange } from '../src/mvcc/prefix.js';
import { readPages } from '../src/source/pages.js';
import { bytes, count, duration, fields } from '../src/text.js';
import { EtcdClient } from '../src/wire/client.js';
import { binaries, Etcd, startFromSnapshot } from '../test/rig/etcd.js';
import { freePorts } from '../test/rig/ports.js';
import { Churn, PODS } from './churn.js';

const PODS_TO_MAKE = Number(process.env['PODS'] ?? 2000);
const REVISIONS_PER_SECOND = 300;
const FOLLOW_SECONDS = 12;
const DOWN_SECONDS = 3;

const root = new URL('..', import.meta.url).pathname;
const cli = join(root, 'dist/src/cli/main.js');
const work = await mkdtemp(join(tmpdir(), 'etcd-lockstep-demo-'));
/** What is left of a demo when it is over. */
const report = join(root, '.cache/demo/audit.html');
const times: [string, string][] = [];
const lags: number[] = [];

interface Seeded {
  head: number;
  keys: number;
  rows: number;
  fileBytes: number;
  read: { bytes: number; seconds: number };
}

function step(text: string): void {
  process.stdout.write(`\n▶ ${text}\n`);
}

function command(args: readonly string[]): void {
  process.stdout.write(`  $ etcd-lockstep ${args.join(' ').replaceAll(work, '.')}\n`);
}

async function timed<T>(name: string, run: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const result = await run();
  times.push([name, duration((performance.now() - started) / 1000)]);
  return result;
}

/** Runs the command line to its end; its last line of JSON is the result. */
async function lockstep<T>(args: string[]): Promise<T> {
  command(args);
  const child = spawn(process.execPath, [cli, ...args, '-w', 'json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const gone = once(child, 'exit');
  let last = '';
  for await (const line of createInterface(child.stdout)) last = line;
  const [code] = (await gone) as [number | null];
  if (code !== 0)
    throw new Error(`etcd-lockstep ${args[0] ?? ''} ended with ${code}: ${last}\n${log}`);
  return JSON.parse(last) as T;
}

/** A follower as a process of its own, so that it can be killed. */
class FollowProcess {
  status: (FollowStatus & { revisionsPerSecond: number }) | undefined;
  readonly #child: ChildProcess;

  constructor(args: string[]) {
    command(args);
    this.#child = spawn(process.execPath, [cli, ...args, '-w', 'json'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    if (this.#child.stdout)
      createInterface(this.#child.stdout).on('line', (line) => {
        const status = JSON.parse(line) as NonNullable<FollowProcess['status']>;
        this.status = status;
        if (status.lagSeconds !== null) lags.push(status.lagSeconds);
      });
  }

  /** Prints what the follower says, every few seconds. */
  async watch(seconds: number): Promise<void> {
    for (let left = seconds; left > 0; left -= 3) {
      await delay(Math.min(left, 3) * 1000);
      const s = this.status;
      if (s)
        process.stdout.write(
          `  revision ${s.position === null ? '-' : s.position}; lag ${count(s.lagRevisions ?? 0)} rev, ${duration(s.lagSeconds ?? 0)}; ${count(s.revisionsPerSecond)} rev/s; ${count(s.revisions)} revisions, ${count(s.fillers)} fillers; ${s.state}\n`,
        );
    }
  }

  async until(what: (status: FollowStatus) => boolean): Promise<void> {
    while (!this.status || !what(this.status)) {
      if (this.#child.exitCode !== null) throw new Error('the follower ended by itself');
      await delay(50);
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const gone = new Promise((done) => this.#child.once('exit', done));
    this.#child.kill(signal);
    await gone;
  }
}

async function unpackFixture(): Promise<string> {
  const file = join(work, 'k8s.db');
  await pipeline(
    createReadStream(join(root, 'test/data/k8s-1.20-200pods.db.gz')),
    createGunzip(),
    createWriteStream(file),
  );
  return file;
}

/** How many pods have on `target` the revision that they have on `source`. */
async function sameRevisions(source: EtcdClient, target: EtcdClient): Promise<number> {
  const mods = async (client: EtcdClient) => {
    const map = new Map<string, number>();
    const { revision } = await client.head();
    for await (const page of readPages(client, prefixRange(PODS), revision))
      for (const row of page.rows) {
        const kv = parseKeyValue(row);
        map.set(kv.key.toString(), kv.modRevision);
      }
    return map;
  };
  const [left, right] = await Promise.all([mods(source), mods(target)]);
  return [...left].filter(([key, mod]) => right.get(key) === mod).length;
}

async function makeMirror(source: Etcd, keys: number): Promise<{ same: number; head: number }> {
  const copy = await Etcd.start();
  const mirror = spawn(
    binaries(copy.version).etcdctl,
    ['--endpoints', source.endpoint, 'make-mirror', '--prefix', PODS, copy.endpoint],
    { env: { ...process.env, ETCDCTL_API: '3' }, stdio: 'ignore' },
  );
  const from = new EtcdClient(source.endpoint, 'source');
  const to = new EtcdClient(copy.endpoint, 'target');
  const range = prefixRange(PODS);
  while ((await to.range({ ...range, limit: 1, keysOnly: true })).count < keys) await delay(50);
  const result = { same: await sameRevisions(from, to), head: (await to.head()).revision };
  mirror.kill();
  from.close();
  to.close();
  await copy.remove();
  return result;
}

async function main(): Promise<boolean> {
  const began = performance.now();
  step(
    `a source etcd, restored from a snapshot of a real Kubernetes cluster; ${count(PODS_TO_MAKE)} more pods, then ${REVISIONS_PER_SECOND} writes/s until the end`,
  );
  const source = await startFromSnapshot(await unpackFixture());
  const client = new EtcdClient(source.endpoint, 'source');
  const churn = await Churn.on(client);
  await churn.fill(PODS_TO_MAKE);
  churn.start(REVISIONS_PER_SECOND);
  process.stdout.write(
    `  etcd ${source.version} at ${source.endpoint}, revision ${(await client.head()).revision}\n`,
  );

  step('seed: the pods, with their history and revisions, into a base file');
  const [clientPort = 0, peerPort = 0, listenPort = 0] = await freePorts(3);
  const dest = `http://127.0.0.1:${clientPort}`;
  const journal = join(work, 'journal');
  const base = join(work, 'base.db');
  const ends = ['--endpoints', source.endpoint, '--dest-endpoints', dest];
  const sealed = await timed('seed', () =>
    lockstep<Seeded>([
      'seed',
      '--endpoints',
      source.endpoint,
      '--prefix',
      PODS,
      '--journal',
      journal,
      '--out',
      base,
    ]),
  );
  process.stdout.write(
    `  ${count(sealed.keys)} keys (${count(sealed.rows)} rows), ${bytes(sealed.fileBytes)}, head ${count(sealed.head)}, read at ${bytes(sealed.read.bytes / sealed.read.seconds)}/s\n`,
  );

  const listen = `127.0.0.1:${listenPort}`;
  step(
    `follow: captures the source from now on, and waits for the target. Watch it: http://${listen}/`,
  );
  const followArgs = ['follow', ...ends, '--journal', journal, '--listen', listen];
  let follower = new FollowProcess(followArgs);
  await follower.until((s) => s.journalPosition > sealed.head);

  step('etcdutl snapshot restore, and start the target on it');
  const target = await timed('restore and start the target', () =>
    startFromSnapshot(base, { clientPort, peerPort }),
  );
  await timed('catch up', () => follower.until((s) => s.state === 'in lockstep'));
  await follower.watch(FOLLOW_SECONDS);

  step('kill -9 the follower; the source goes on, and is compacted meanwhile');
  await follower.end('SIGKILL');
  const killed = follower.status;
  await client.compact((await client.head()).revision - 500);
  await delay(DOWN_SECONDS * 1000);
  follower = new FollowProcess(followArgs);
  await timed('resume after kill -9', () => follower.until((s) => s.state === 'in lockstep'));
  await follower.watch(6);

  step('audit, while everything goes on');
  const live = await timed('audit, live', () =>
    lockstep<{ report: AuditReport }>(['audit', ...ends, '--prefix', PODS, '--history']),
  );
  process.stdout.write(
    `  ${live.report.equal ? 'EQUAL' : 'DIFFERENT'} at revision ${live.report.revision}: ${count(live.report.source.keys)} keys, ${count(live.report.history?.events ?? 0)} events\n`,
  );

  step('the writes stop, as at a cutover: how long until the target has them all, proven?');
  await churn.end();
  await follower.end('SIGTERM');
  const stopped = follower.status;
  await timed('drain', () => lockstep(['follow', ...ends, '--journal', journal, '--until-synced']));
  await rm(report, { force: true });
  await mkdir(dirname(report), { recursive: true });
  const final = await timed('audit', () =>
    lockstep<{ report: AuditReport }>(['audit', ...ends, '--prefix', PODS, '--report', report]),
  );
  const [drained, audited] = times.slice(-2).map(([, time]) => time);
  process.stdout.write(
    `  drained in ${drained ?? ''}, ${final.report.equal ? 'EQUAL' : 'DIFFERENT'} after another ${audited ?? ''}\n`,
  );

  step('the same pods by etcdctl make-mirror, into a third etcd');
  const mirrored = await timed('make-mirror, base sync only', () =>
    makeMirror(source, final.report.source.keys),
  );
  const targetClient = new EtcdClient(dest, 'target');
  const same = await sameRevisions(client, targetClient);
  const heads = [(await client.head()).revision, (await targetClient.head()).revision] as const;

  const sum = (of: (s: FollowStatus) => number) =>
    [killed, stopped].reduce((n, s) => n + (s ? of(s) : 0), 0);
  lags.sort((a, b) => a - b);
  const found = final.report;
  step(`done in ${duration((performance.now() - began) / 1000)}`);
  process.stdout.write(
    `${fields([
      ['keys', `${count(found.source.keys)} pods, ${bytes(found.bytes)}`],
      ['revisions followed', count(heads[1] - sealed.head)],
      [
        '  with pods in them',
        `${count(sum((s) => s.revisions))} (without the last second before kill -9)`,
      ],
      ['  fillers', `${count(sum((s) => s.fillers))} (likewise)`],
      [
        'lag, median and worst (catching up)',
        `${duration(lags[Math.floor(lags.length / 2)] ?? 0)}, ${duration(lags.at(-1) ?? 0)}`,
      ],
      ...times,
      [
        'verdict',
        `${live.report.equal && found.equal ? 'EQUAL' : 'DIFFERENT'}, live and at the end: every key's value, mod_revision, create_revision, version, lease`,
      ],
      [
        'not measured here',
        'disks: the etcds of the demo run without fsync; yours must take every revision of the source',
      ],
      ['head revision', `source ${heads[0]}, target ${heads[1]}, make-mirror ${mirrored.head}`],
      [
        'pods that kept their resourceVersion',
        `target ${count(same)} of ${count(found.source.keys)}, make-mirror ${count(mirrored.same)}`,
      ],
    ])}\n`,
  );
  process.stdout.write(
    `\n  The audit as a document, to be read and printed: ${relative(process.cwd(), report)}\n`,
  );
  process.stdout.write('\n  Next, on your own etcd: README.md, "Use it".\n');
  client.close();
  targetClient.close();
  await Promise.all([source.remove(), target.remove()]);
  return live.report.equal && found.equal && same === found.source.keys && heads[0] === heads[1];
}

try {
  if (!(await main())) process.exitCode = 1;
} finally {
  await rm(work, { recursive: true, force: true });
}
