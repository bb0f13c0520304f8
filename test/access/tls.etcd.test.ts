/** TLS on either side and on both, with and without client certificates, and certificates that are renewed. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineRoots } from '../../src/wire/machineroots.js';
import { eventually } from '../cli/stage.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import type { KeyPair, TlsOptions } from '../rig/tls.js';
import { variablesOf, type Access } from './gate.js';
import { Journey, PODS, succeeded } from './journey.js';

/** What a server does, and what a client has to bring. */
interface Kind {
  tls?: TlsOptions;
  access: Access;
}

describe('access: TLS', () => {
  let certs: Certs;
  let journey: Journey | undefined;
  before(async () => {
    certs = await makeCerts();
  });
  afterEach(async () => {
    await journey?.end();
    journey = undefined;
  });
  after(() => {
    certs.remove();
  });

  function kinds(): Record<'plain' | 'tls' | 'mutual', Kind> {
    const ca = certs.ca.cert;
    const { client } = certs;
    return {
      plain: { access: {} },
      tls: { tls: { ...certs.server, ca }, access: { cacert: ca } },
      mutual: {
        tls: { ...certs.server, ca, clientCa: ca, client },
        access: { cacert: ca, ...pair(client) },
      },
    };
  }

  async function travel(version: string, from: Kind, to: Kind): Promise<Journey> {
    journey = await Journey.start(options(version, from));
    journey.ways = { source: { ...journey.ways.source, ...from.access }, target: to.access };
    await journey.seed();
    await journey.source.put(`${PODS}b`);
    await journey.restore(options(version, to));
    return journey;
  }

  for (const [version, from, to] of [
    ['3.4.23', 'tls', 'plain'],
    ['3.4.23', 'mutual', 'mutual'],
    ['3.5.30', 'plain', 'mutual'],
  ] as const)
    it(`${version}: from ${from} to ${to}, seed to audit`, async function () {
      if (!haveVersion(version)) this.skip();
      await (await travel(version, kinds()[from], kinds()[to])).arrive();
    });

  it('no CA is given: those of the machine count, where Node can tell', async function () {
    if (!machineRoots()) {
      console.log(`Node ${process.version} does not know the CAs of the machine`);
      this.skip();
    }
    const there = await travel('3.5.16', kinds().tls, kinds().tls);
    for (const side of ['source', 'target'] as const) {
      const { cacert = '', ...access } = there.ways[side];
      there.ways[side] = access;
      Object.assign(there.env, { SSL_CERT_FILE: cacert });
    }
    await there.arrive();
  });

  it('all of it in the environment; a bare address is https where there are certificates', async () => {
    const { mutual } = kinds();
    const there = await travel('3.5.16', mutual, mutual);
    const bare = ({ endpoints = '', ...access }: Access): Access => ({
      ...access,
      endpoints: endpoints.replace('https://', ''),
    });
    const { source, target } = there.ways;
    Object.assign(
      there.env,
      variablesOf('source', bare(source)),
      variablesOf('target', bare(target)),
    );
    there.ways = { source: {}, target: {} };
    await there.arrive();
  });

  it('a certificate of a new CA: the follower takes it up when the servers are started with it', async () => {
    const dir = certs.ca.cert.replace(/[^/]+$/, '');
    const mine = {
      cacert: join(dir, 'mine.pem'),
      cert: join(dir, 'mine-cert'),
      key: join(dir, 'mine-key'),
    };
    const theirs = { cert: join(dir, 'theirs-cert'), key: join(dir, 'theirs-key') };
    const clientCa = join(dir, 'their-ca');
    const install = (ca: string, server: KeyPair, client: KeyPair): void => {
      copyFileSync(ca, clientCa);
      copyFileSync(server.cert, theirs.cert);
      copyFileSync(server.key, theirs.key);
      copyFileSync(ca, mine.cacert);
      copyFileSync(client.cert, mine.cert);
      copyFileSync(client.key, mine.key);
    };
    install(certs.ca.cert, certs.server, certs.client);
    // Not checked by the rig's own etcdctl, which would need the present CA each time.
    const kind = { tls: { ...theirs, clientCa, client: mine }, access: mine };
    const there = await travel('3.5.16', kind, kind);
    const follower = await there.following();
    const before = await there.source.head();
    await eventually(async () => (await there.target.head()) === before);

    install(certs.otherCa.cert, certs.untrusted, certs.untrustedClient);
    await Promise.all([there.source.etcd.restart(), there.target.etcd.restart()]);
    const after = await there.source.put(`${PODS}c`);
    await eventually(async () => (await there.target.head()) === after);
    follower.signal('SIGTERM');
    succeeded(await follower.ended);
    await there.exact();
  });
});

function pair({ cert, key }: KeyPair): Access {
  return { cert, key };
}

function options(version: string, { tls }: Kind): Parameters<typeof Etcd.start>[0] {
  return { version, ...(tls ? { tls } : {}) };
}
