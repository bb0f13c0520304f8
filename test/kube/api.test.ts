import { expect as that } from 'chai';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { LockstepError } from '../../src/errors.js';
import { expect, messageOf, type Answer } from '../../src/kube/answer.js';
import { ApiServer } from '../../src/kube/api.js';
import { loadKube } from '../../src/kube/config.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { freePorts } from '../rig/ports.js';
import { FakeApiServer, status, writeKubeconfig } from './fake.js';

async function failure(of: Promise<unknown>): Promise<LockstepError> {
  const error: unknown = await of.then(
    () => undefined,
    (e: unknown) => e,
  );
  if (error instanceof LockstepError) return error;
  throw new Error(`no LockstepError: ${String(error)}`);
}

describe('kube: an apiserver', () => {
  let certs: Certs;
  let fake: FakeApiServer;
  const open: ApiServer[] = [];

  before(async () => {
    certs = await makeCerts();
    fake = await FakeApiServer.start(certs);
  });
  after(() => {
    fake.close();
    certs.remove();
  });
  afterEach(() => {
    for (const api of open.splice(0)) api.close();
    fake.asked.length = 0;
    fake.override = undefined;
  });

  async function api(file: string, urls?: string[]): Promise<ApiServer> {
    const [one] = await loadKube(file, urls);
    open.push(one!);
    return one!;
  }

  it('is asked in JSON, at the path that its URL has', async () => {
    const one = await api(writeKubeconfig(certs, `${fake.url}/k8s/c-1/`));
    fake.override = () => [200, { a: 1 }];
    const answer = await one.send('PATCH', '/api/v1/pods/a', { b: 2 }, { dryRun: 'All' });
    that(answer).to.deep.include({ status: 200, body: { a: 1 } });
    const [asked] = fake.asked;
    that(asked?.path).to.equal('/k8s/c-1/api/v1/pods/a');
    that(asked?.query.get('dryRun')).to.equal('All');
    that(asked?.body).to.deep.equal({ b: 2 });
    that(asked?.headers['content-type']).to.equal('application/merge-patch+json');
  });

  it('is asked with a token, or with what a plugin says', async () => {
    const plugin = { apiVersion: 'client.authentication.k8s.io/v1', command: process.execPath };
    const said = JSON.stringify({ kind: 'ExecCredential', status: { token: 'from-a-plugin' } });
    const exec = { ...plugin, args: ['-e', `console.log(${JSON.stringify(said)})`] };
    for (const [user, token] of [
      [{ token: 'fixed' }, 'fixed'],
      [{ exec }, 'from-a-plugin'],
    ] as const) {
      const one = await api(writeKubeconfig(certs, fake.url, { users: [{ name: 'u', user }] }));
      await one.get('/version');
      that(fake.asked.at(-1)?.headers.authorization).to.equal(`Bearer ${token}`);
    }
  });

  it('a line break behind a token is cut off; one within is no bug, and is not shown', async () => {
    const users = (token: string) => ({ users: [{ name: 'u', user: { token } }] });
    await (await api(writeKubeconfig(certs, fake.url, users('fixed\n')))).get('/version');
    that(fake.asked.at(-1)?.headers.authorization).to.equal('Bearer fixed');
    const two = await api(writeKubeconfig(certs, fake.url, users('one\ntwo')));
    const { code, message } = await failure(two.get('/version'));
    that(code).to.equal('KUBE');
    that(message).to.contain('user u').and.not.to.contain('one');
  });

  it('may be asked directly, by address and without TLS, too', async () => {
    const plain = createServer((_, response) => response.end('{"plain":true}'));
    await new Promise<void>((resolve) => plain.listen(0, '::1', resolve));
    const { port } = plain.address() as AddressInfo;
    const file = writeKubeconfig(certs, 'https://not.there.invalid');
    const urls = [fake.url, `http://[::1]:${port}`];
    const apis = await loadKube(file, urls);
    open.push(...apis);
    that(apis.map(({ url }) => url)).to.deep.equal(urls);
    that((await apis[0]!.get('/version')).status).to.equal(200);
    that((await apis[1]!.get('/version')).body).to.deep.equal({ plain: true });
    plain.close();
    plain.closeAllConnections();
  });

  it('may close a connection between two requests', async () => {
    const one = await api(writeKubeconfig(certs, fake.url));
    for (let i = 0; i < 5; i++) {
      that((await one.get('/version')).status).to.equal(200);
      fake.cut();
    }
  });

  it('that is not there is told from one that cannot be trusted', async () => {
    const [port] = await freePorts(1);
    const away = await failure(
      (await api(writeKubeconfig(certs, `https://127.0.0.1:${port}`))).get('/x'),
    );
    that(away).to.include({ code: 'KUBE_UNAVAILABLE', disposition: 'retry' });
    that(away.message).to.contain(`GET https://127.0.0.1:${port}/x: nothing listens there`);

    const cluster = { server: fake.url, 'certificate-authority': certs.otherCa.cert };
    const file = writeKubeconfig(certs, '', { clusters: [{ name: 'c', cluster }] });
    const untrusted = await failure((await api(file)).get('/x'));
    that(untrusted.code).to.equal('TLS');
    that(untrusted.hint).to.contain('certificate-authority');

    const named = {
      ...cluster,
      'certificate-authority': certs.ca.cert,
      'tls-server-name': 'other.test',
    };
    const wrong = writeKubeconfig(certs, '', { clusters: [{ name: 'c', cluster: named }] });
    const misnamed = await failure((await api(wrong)).get('/x'));
    that(misnamed.code).to.equal('TLS');
    that(misnamed.hint).to.contain('tls-server-name');
  });

  it('is told by its own words, and never by what an object holds', () => {
    const answer = (code: number, body: unknown): Answer => ({
      status: code,
      body,
      asked: 'GET x',
    });
    const throws = (a: Answer) => that(() => expect(a, 200)).to.throw(LockstepError);
    throws(
      answer(403, status(403, 'Forbidden', 'nodes is forbidden: User "u" cannot list')),
    ).with.property('message', 'GET x: 403 nodes is forbidden: User "u" cannot list');
    throws(answer(503, 'upstream connect error')).with.property('code', 'KUBE_UNAVAILABLE');
    throws(answer(500, { a: 1 })).with.property('disposition', 'fatal');
    const invalid = {
      ...status(422, 'Invalid', 'Secret "s" is invalid: data[p]: Invalid value: "hunter2"'),
      details: { causes: [{ reason: 'FieldValueInvalid', message: 'hunter2', field: 'data[p]' }] },
    };
    that(messageOf(answer(422, invalid))).to.equal('Invalid: data[p] (FieldValueInvalid)');
  });
});

describe('kube: a kubeconfig', () => {
  let certs: Certs;
  before(async () => {
    certs = await makeCerts();
  });
  after(() => {
    certs.remove();
  });

  async function refused(file: string): Promise<LockstepError> {
    const error = await failure(loadKube(file, undefined));
    that(error.code).to.equal('BAD_ARGUMENT');
    return error;
  }

  it('that is missing or wrong is named, and not quoted', async () => {
    const { writeFileSync } = await import('node:fs');
    that((await refused('/not/there')).message).to.contain('no such file');
    const file = writeKubeconfig(certs, 'https://a');
    writeFileSync(file, '');
    that((await refused(file)).message).to.contain('no kubeconfig');
    writeFileSync(file, 'users:\n- token: "hunter2\n  x: [');
    const broken = await refused(file);
    that(broken.message).to.match(/line \d+ is no YAML/);
    that(broken.message + String(broken.cause)).not.to.contain('hunter2');
  });

  it('must have a context with a cluster and a user', async () => {
    const wrong = (parts: object) => refused(writeKubeconfig(certs, 'https://a', parts));
    that((await wrong({ 'current-context': 'other' })).message).to.contain('no current context');
    that((await wrong({ clusters: [] })).message).to.contain('names no cluster');
    that((await wrong({ users: [] })).message).to.contain('names no user');
  });

  it('whose plugin fails is told without what that printed', async () => {
    const exec = { command: process.execPath, args: ['-e', 'console.log("token hunter2")'] };
    const users = [{ name: 'u', user: { exec } }];
    const [api] = await loadKube(
      writeKubeconfig(certs, 'https://127.0.0.1:1', { users }),
      undefined,
    );
    const error = await failure(api!.get('/version'));
    that(error.code).to.equal('KUBE');
    that(error.message).to.contain('user u').and.not.to.contain('hunter2');
  });

  it('is looked for where kubectl does, and there alone', async () => {
    const kept = { HOME: process.env['HOME'], KUBECONFIG: process.env['KUBECONFIG'] };
    try {
      process.env['HOME'] = '/not/there';
      delete process.env['KUBECONFIG'];
      that((await failure(loadKube(undefined, undefined))).message).to.contain('no kubeconfig');
      process.env['KUBECONFIG'] = writeKubeconfig(certs, 'https://found:6443');
      that((await loadKube(undefined, undefined))[0]?.url).to.equal('https://found:6443');
    } finally {
      for (const [name, value] of Object.entries(kept))
        if (value === undefined) Reflect.deleteProperty(process.env, name);
        else process.env[name] = value;
    }
  });
});
