import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { enableAuth, ROOT, type Role } from './auth.js';
import { makeCerts, type Certs } from './certs.js';
import { Etcd, versions } from './etcd.js';
import type { TlsOptions } from './tls.js';

/** etcdctl tries again for five seconds by default. */
const SOON = '--command-timeout=500ms';

/** What a command that must fail writes. */
async function failure(command: Promise<unknown>): Promise<string> {
  try {
    await command;
  } catch (e) {
    return (e as Error).message;
  }
  throw new Error('it did not fail');
}

/** Over HTTP, because etcdctl logs in anew each time and shows no token. */
async function gateway(etcd: Etcd, path: string, body: object, headers = {}): Promise<unknown> {
  const init = { method: 'POST', headers, body: JSON.stringify(body) };
  return (await fetch(`${etcd.endpoint}/v3/${path}`, init)).json();
}

describe('rig: TLS and authentication', () => {
  let certs: Certs;
  let etcd: Etcd | undefined;

  before(async () => {
    certs = await makeCerts();
  });
  afterEach(async () => {
    await etcd?.remove();
    etcd = undefined;
  });
  after(() => {
    certs.remove();
  });

  async function start(version: string, tls?: TlsOptions): Promise<Etcd> {
    etcd = await Etcd.start({ version, ...(tls === undefined ? {} : { tls }) });
    return etcd;
  }

  for (const version of versions()) {
    describe(version, () => {
      it('serves TLS, and keeps to it over a restart', async () => {
        const there = await start(version, { ...certs.server, ca: certs.ca.cert });
        expect(there.endpoint).to.equal(`https://127.0.0.1:${there.clientPort}`);
        await there.ctl('put', 'a', '1');
        await there.restart();
        expect(await there.ctl('get', 'a', '--print-value-only')).to.equal('1\n');
        const plain = `http://127.0.0.1:${there.clientPort}`;
        expect(await failure(there.ctlAt([plain], ['get', 'a', SOON]))).to.match(
          /deadline exceeded|closed/,
        );
      });

      it('asks clients for a certificate', async () => {
        const trusts = { ca: certs.ca.cert, clientCa: certs.ca.cert };
        const there = await start(version, { ...certs.server, ...trusts, client: certs.client });
        await there.ctl('put', 'a', '1');
        const { cert, key } = certs.untrustedClient;
        const other = there.ctl('get', 'a', `--cert=${cert}`, `--key=${key}`, SOON);
        expect(await failure(other)).to.match(/deadline exceeded|bad certificate|unknown/);
      });

      it('takes a common name for a user where nobody logs in', async () => {
        const there = await start(version, { ...certs.server, clientCa: certs.ca.cert });
        await there.ctl('put', 'pods/a', '1');
        const role: Role = {
          name: 'pods',
          permissions: [{ kind: 'read', key: 'pods/', prefix: true }],
        };
        await enableAuth(there, [{ name: 'client', roles: [role] }]);
        await there.restart();
        const { cert, key } = certs.client;
        const as = [`--cert=${cert}`, `--key=${key}`];
        const got = await there.ctl('get', 'pods/a', '--print-value-only', ...as);
        expect(got).to.equal('1\n');
        expect(await failure(there.ctl('put', 'pods/a', '2', ...as))).to.contain(
          'permission denied',
        );
      });

      it('lets users do what their roles say, before and after a restart', async () => {
        const there = await start(version);
        const reader = { name: 'reader', password: 'secret' };
        const permissions = [
          { kind: 'read', key: 'pods/', prefix: true },
          { kind: 'readwrite', key: 'x', fromKey: true },
          { kind: 'write', key: 'one' },
        ] as const;
        await enableAuth(there, [{ ...reader, roles: [{ name: 'r', permissions }] }]);
        for (let starts = 0; starts < 2; starts++) {
          expect(await failure(there.ctl('get', 'a'))).to.contain('user name is empty');
          await there.ctlAs(ROOT, 'put', 'pods/a', '1');
          expect(await there.ctlAs(reader, 'get', 'pods/', '--prefix')).to.equal('pods/a\n1\n');
          await there.ctlAs(reader, 'put', 'xyz', '1');
          await there.ctlAs(reader, 'put', 'one', '1');
          for (const denied of [
            ['put', 'pods/a', '2'],
            ['get', 'one'],
            ['get', 'a'],
          ]) {
            expect(await failure(there.ctlAs(reader, ...denied))).to.contain('permission denied');
          }
          await there.restart();
        }
      });
    });
  }

  it('starts with certificates that no client should accept', async () => {
    for (const pair of [certs.expired, certs.otherHost, certs.untrusted]) {
      const there = await Etcd.start({ tls: pair });
      try {
        await there.ctl('get', 'a');
        const ca = [`--cacert=${certs.ca.cert}`, '--insecure-skip-tls-verify=false'];
        const checked = there.ctl('get', 'a', ...ca, SOON);
        expect(await failure(checked)).to.match(/deadline exceeded|x509/);
      } finally {
        await there.remove();
      }
    }
  });

  it('forgets a simple token that nobody uses for its time', async () => {
    etcd = await Etcd.start({ authToken: 'simple', authTokenTtl: 1 });
    await enableAuth(etcd, []);
    const login = await gateway(etcd, 'auth/authenticate', ROOT);
    const { token } = login as { token: string };
    const header = { Authorization: token };
    expect(await gateway(etcd, 'kv/range', { key: 'YQ==' }, header)).to.have.property('header');
    let answer: unknown;
    do {
      await sleep(2_500); // each use makes the token last longer, so it can't be asked all the time
      answer = await gateway(etcd, 'kv/range', { key: 'YQ==' }, header);
    } while ((answer as { header?: object }).header !== undefined);
    expect(answer).to.have.property('message').that.contains('invalid auth token');
  });
});
