/** Tokens that end while the follower runs: by their time, by a restart, by a change of roles. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { proven } from '../../src/position.js';
import { watchRevisions } from '../../src/source/watch.js';
import { EtcdClient } from '../../src/wire/client.js';
import { eventually } from '../cli/stage.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, haveVersion, type EtcdOptions } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';
import { Gate } from './gate.js';
import { Journey, PODS, succeeded } from './journey.js';
import { commandIf, commandsFor, lock, USER } from './rights.js';

/** etcd's simple tokens live so many seconds after their last use. */
const TTL_S = 1;
/** Nothing tells when a token that nobody uses is gone. */
const GONE_MS = 3 * TTL_S * 1000;

describe('access: tokens', () => {
  const dir = mkdtempSync(join(tmpdir(), 'access-jwt-'));
  let journey: Journey | undefined;
  let proxy: FaultProxy | undefined;

  before(() => {
    removeAtExit(dir);
    const quiet = { stdio: 'ignore' } as const;
    execFileSync('openssl', ['genrsa', '-out', join(dir, 'key'), '2048'], quiet);
    execFileSync(
      'openssl',
      ['rsa', '-in', join(dir, 'key'), '-pubout', '-out', join(dir, 'public')],
      quiet,
    );
  });
  afterEach(async () => {
    await proxy?.close();
    await journey?.end();
    proxy = journey = undefined;
  });
  after(() => {
    removeFolder(dir);
  });

  /** These carry the revision of the roles that they were made at: a change makes them stale. */
  function jwt(): string {
    return `jwt,pub-key=${join(dir, 'public')},priv-key=${join(dir, 'key')},sign-method=RS256,ttl=10m`;
  }

  const simple: EtcdOptions = { authTokenTtl: TTL_S };
  for (const [name, version, options, more] of [
    ['simple tokens', '3.5.16', () => simple, []],
    ['JWT', '3.4.23', () => ({ authToken: jwt() }), [commandIf('a source below')]],
    ['simple tokens', '3.5.30', () => simple, []],
  ] as const)
    it(`${version}, ${name}: the follower goes on by itself, and is exact`, async function () {
      if (!haveVersion(version)) this.skip();
      const there = await travel({ version, ...options() }, more);
      const { source, target } = there;
      const follower = await there.following();
      const arrives = async (value: string) => {
        const at = await source.put(`${PODS}b`, value);
        await eventually(async () => (await target.head()) >= at);
      };
      await arrives('at first');
      await sleep(GONE_MS); // the watch keeps its stream, and its token meanwhile ends
      proxy?.cut();
      await arrives('after the watch was made anew');
      for (const [gate, role] of [
        [source, 'lockstep-source'],
        [target, 'lockstep-target'],
      ] as const)
        await gate.ctl('role', 'grant-permission', role, 'read', '/registry/more');
      proxy?.cut();
      await arrives('after a change of roles');
      for (const { etcd } of [source, target]) {
        await etcd.kill(); // 3.5.30 takes five seconds to say farewell to open streams
        await etcd.restart();
      }
      await arrives('after a restart');
      follower.signal('SIGTERM');
      succeeded(await follower.ended);
      await there.exact();
    });

  /** The source behind a proxy; a lease with keys on both sides, so that it is kept alive. */
  async function travel(options: EtcdOptions, more: readonly string[][]): Promise<Journey> {
    journey = await Journey.start(options);
    const { source } = journey;
    const lease = await source.lease(600);
    await source.put(`${PODS}leased`, 'v', `--lease=${lease}`);
    await lock(source, [...commandsFor('source'), ...more]);
    proxy = await FaultProxy.start({ host: '127.0.0.1', port: source.etcd.clientPort });
    journey.ways = { source: { endpoints: proxy.endpoint, ...USER }, target: USER };
    await journey.seed();
    await lock(await journey.restore(options), commandsFor('target'));
    return journey;
  }

  it('3.5.30, where a keep-alive needs a token: a stale one is replaced at the next try', async function () {
    if (!haveVersion('3.5.30')) this.skip();
    const etcd = await Etcd.start({ version: '3.5.30' });
    const gate = new Gate(etcd);
    const lease = BigInt(`0x${await gate.lease(600)}`);
    await lock(gate, commandsFor('target'));
    const { user: name, password } = USER;
    const client = new EtcdClient(
      { endpoints: [etcd.endpoint], user: { name, password } },
      'target',
    );
    try {
      await client.leaseKeepAlive([lease]);
      await etcd.restart();
      const refused = await client.leaseKeepAlive([lease]).catch((error: unknown) => error);
      expect(refused).to.include({ code: 'UNAVAILABLE', disposition: 'retry' });
      await client.leaseKeepAlive([lease]);
    } finally {
      client.close();
      await etcd.remove();
    }
  });

  it('roles change between the question for the head and the watch: it is asked for once more', async () => {
    const etcd = await Etcd.start({ authToken: jwt() });
    const gate = new Gate(etcd);
    await lock(gate, commandsFor('source'));
    const { user: name, password } = USER;
    const client = new EtcdClient(
      { endpoints: [etcd.endpoint], user: { name, password } },
      'source',
    );
    try {
      const at = await gate.put(`${PODS}a`);
      const { clusterId } = await client.head(Buffer.from(PODS));
      let opened = 0;
      const watch = client.watch.bind(client);
      client.watch = async () => {
        if (opened++ === 0)
          await gate.ctl('role', 'grant-permission', 'lockstep-source', 'read', 'more');
        return watch();
      };
      const stop = new AbortController();
      const batches = watchRevisions(client, {
        prefixes: PrefixSet.of([PODS]),
        after: proven(1),
        limits: { version: etcd.version, progressIsProof: true },
        clusterId,
        signal: stop.signal,
      });
      for await (const { position } of batches) if (position >= at) break;
      expect(opened).to.equal(2);
      stop.abort();
    } finally {
      client.close();
      await etcd.remove();
    }
  });
});
