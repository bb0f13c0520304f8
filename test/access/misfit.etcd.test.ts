/** Every way in which certificates do not fit: told in plain words, at once, and nothing has changed. */
import { expect } from 'chai';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorOf, run, type CliError, type Ended } from '../cli/run.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import { flagName, flagsOf, Gate, type Access, type SideName } from './gate.js';
import { Journey, PODS, succeeded } from './journey.js';

/** From the start of the process on; a machine with other work to do is slow. */
const TOLD_WITHIN_MS = 8000;

/** Servers by what is special about them. */
interface Servers {
  plain: Etcd;
  tls: Etcd;
  mutual: Etcd;
  expired: Etcd;
  otherHost: Etcd;
}

interface Misfit {
  what: string;
  server: keyof Servers;
  /** Where it is not the server's own. */
  scheme?: 'http' | 'https';
  access: (certs: Certs, dir: string) => Access;
  code: 'TLS' | 'BAD_ARGUMENT';
  says: RegExp;
  /** Flags that the hint has to name. */
  hints: readonly string[];
  hint?: RegExp;
}

const MISFITS: Misfit[] = [
  {
    what: 'no CA is given',
    server: 'mutual',
    access: () => ({ endpoints: '' }),
    code: 'TLS',
    says: /signed by a CA that this machine does not know/,
    hints: ['cacert'],
  },
  {
    what: 'another CA is given',
    server: 'tls',
    access: ({ otherCa }) => ({ cacert: otherCa.cert }),
    code: 'TLS',
    says: /signed by another CA than the one that was given/,
    hints: ['cacert'],
  },
  {
    what: "the server's certificate is for another host",
    server: 'otherHost',
    access: ({ ca }) => ({ cacert: ca.cert }),
    code: 'TLS',
    says: /its certificate is not for this name or address/,
    hints: ['endpoints'],
  },
  {
    what: "the server's certificate has expired",
    server: 'expired',
    access: ({ ca }) => ({ cacert: ca.cert }),
    code: 'TLS',
    says: /its certificate has expired/,
    hints: [],
    hint: /Renew the certificate of the (source|target)'s server/,
  },
  {
    what: 'a client certificate is asked for and none is given',
    server: 'mutual',
    access: ({ ca }) => ({ cacert: ca.cert }),
    code: 'TLS',
    says: /asks for a client certificate, and none was given/,
    hints: ['cert', 'key'],
  },
  {
    what: 'the client certificate is of another CA',
    server: 'mutual',
    access: ({ ca, untrustedClient }) => ({ cacert: ca.cert, ...untrustedClient }),
    code: 'TLS',
    says: /refuses our client certificate$/,
    hints: ['cert', 'key'],
  },
  {
    what: 'the client certificate has expired',
    server: 'mutual',
    access: ({ ca, expired }) => ({ cacert: ca.cert, ...expired }),
    code: 'TLS',
    says: /refuses our client certificate, which has expired/,
    hints: ['cert'],
  },
  {
    what: 'the client certificate is for servers alone',
    server: 'mutual',
    access: ({ ca, serverOnly }) => ({ cacert: ca.cert, ...serverOnly }),
    code: 'TLS',
    says: /refuses our client certificate, which is not for clients: .* lacks clientAuth/,
    hints: ['cert', 'key'],
    hint: /issued for clients/,
  },
  {
    what: 'the endpoint says http, the server speaks TLS',
    server: 'tls',
    scheme: 'http',
    access: () => ({}),
    code: 'TLS',
    says: /it speaks TLS, and the endpoint says http:/,
    hints: ['endpoints', 'cacert'],
  },
  {
    what: 'the endpoint says https, the server speaks plainly',
    server: 'plain',
    scheme: 'https',
    access: () => ({}),
    code: 'TLS',
    says: /it speaks no TLS, and the endpoint says https:/,
    hints: ['endpoints'],
  },
  {
    what: 'the key is not that of the certificate',
    server: 'mutual',
    access: ({ ca, client, server }) => ({ cacert: ca.cert, cert: client.cert, key: server.key }),
    code: 'BAD_ARGUMENT',
    says: /the key \S+ does not belong to the certificate \S+/,
    hints: ['key'],
  },
  {
    what: 'the CA is no PEM',
    server: 'tls',
    access: (_, dir) => ({ cacert: notPem(dir) }),
    code: 'BAD_ARGUMENT',
    says: /not-pem holds no certificate in PEM/,
    hints: ['cacert'],
  },
  {
    what: 'the key is no PEM',
    server: 'mutual',
    access: ({ ca, client }, dir) => ({ cacert: ca.cert, cert: client.cert, key: notPem(dir) }),
    code: 'BAD_ARGUMENT',
    says: /not-pem holds no private key in PEM/,
    hints: ['key'],
  },
  {
    what: 'a file is missing',
    server: 'mutual',
    access: ({ ca, client }) => ({ cacert: ca.cert, cert: '/nowhere/client.pem', key: client.key }),
    code: 'BAD_ARGUMENT',
    says: /cannot read \/nowhere\/client\.pem: .*no such file/,
    hints: ['cert'],
  },
];

function notPem(dir: string): string {
  const path = join(dir, 'not-pem');
  writeFileSync(path, 'nothing of the kind');
  return path;
}

describe('access: certificates that do not fit', () => {
  let certs: Certs;
  let servers: Servers;
  let journey: Journey;
  let target: string;

  before(async () => {
    certs = await makeCerts();
    const { server, expired, otherHost } = certs;
    const clientCa = certs.ca.cert;
    const tls = [undefined, server, { ...server, clientCa }, expired, otherHost];
    const started = await Promise.all(tls.map((t) => Etcd.start(t ? { tls: t } : {})));
    const [plain, simple, mutual, old, elsewhere] = started as [Etcd, Etcd, Etcd, Etcd, Etcd];
    servers = { plain, tls: simple, mutual, expired: old, otherHost: elsewhere };
    journey = await Journey.start();
    await journey.seed();
    target = (await journey.restore()).etcd.endpoint;
  });
  after(async () => {
    await journey.end();
    await Promise.all(Object.values(servers).map((etcd: Etcd) => etcd.remove()));
    certs.remove();
  });

  /** Where the server is, and what the client brings. */
  function access({ server, scheme, access: brings }: Misfit): Access {
    const { endpoint } = servers[server];
    const endpoints = scheme ? endpoint.replace(/^https?/, scheme) : endpoint;
    return { ...brings(certs, journey.dir), endpoints };
  }

  async function told(misfit: Misfit, side: SideName, args: string[]): Promise<CliError> {
    const started = Date.now();
    const ended = await run([...args, '-w', 'json']);
    expect(Date.now() - started).to.be.lessThan(TOLD_WITHIN_MS);
    expect(ended.stderr).not.to.match(/Warning/);
    return expectTold(misfit, side, ended, access(misfit));
  }

  for (const misfit of MISFITS)
    it(misfit.what, async () => {
      const [journal, out] = [join(journey.dir, 'none'), join(journey.dir, 'none.db')];
      const to = ['--prefix', PODS, '--journal', journal, '--out', out];
      const before = await new Gate(servers[misfit.server]).everything();
      const follow = ['follow', '--endpoints', journey.source.etcd.endpoint];
      await Promise.all([
        told(misfit, 'target', [
          ...[...follow, '--journal', journey.journal],
          ...flagsOf('target', access(misfit)),
        ]),
        // Files are read by the same hand on both sides.
        misfit.code === 'TLS' &&
          told(misfit, 'source', ['seed', ...flagsOf('source', access(misfit)), ...to]),
      ]);
      expect(existsSync(journal) || existsSync(out), 'something was written').to.equal(false);
      expect(await new Gate(servers[misfit.server]).everything()).to.equal(before);
    });

  it('audit and status tell the same of a source', async () => {
    const misfit = MISFITS[1]!;
    const ends = [...flagsOf('source', access(misfit)), '--dest-endpoints', target];
    await told(misfit, 'source', ['audit', ...ends, '--prefix', PODS]);
    await told(misfit, 'source', ['status', ...ends]);
  });

  it('3.4.23, which says "bad certificate" to all of them', async function () {
    if (!haveVersion('3.4.23')) this.skip();
    const tls = { ...certs.server, clientCa: certs.ca.cert };
    const old = await Etcd.start({ version: '3.4.23', tls });
    try {
      for (const misfit of MISFITS.filter(({ what }) => /client certificate/.test(what))) {
        const given = { ...misfit.access(certs, journey.dir), endpoints: old.endpoint };
        const ended = await run(['status', ...flagsOf('target', given), '-w', 'json']);
        expectTold(misfit, 'target', ended, given);
      }
    } finally {
      await old.remove();
    }
  });

  it('one of several endpoints whose certificate does not fit is passed over', async () => {
    const there = { endpoints: `${servers.expired.endpoint},${servers.tls.endpoint}` };
    const args = flagsOf('source', { ...there, cacert: certs.ca.cert });
    const status = ['status', ...args, '--dest-endpoints', target, '-w', 'json'];
    succeeded(await run(status));
  });
});

function expectTold(misfit: Misfit, side: SideName, ended: Ended, given: Access): CliError {
  const { code, says, hints, hint } = misfit;
  expect(ended.code, ended.stderr).to.equal(code === 'TLS' ? 5 : 2);
  const error = errorOf(ended);
  expect(error.code).to.equal(code);
  expect(error.message).to.match(says);
  if (code === 'TLS') expect(error.message).to.contain(`${side} ${given['endpoints'] ?? ''}`);
  for (const name of hints) expect(error.hint).to.contain(flagName(side, name));
  if (hint) expect(error.hint).to.match(hint);
  return error;
}
