/** A target of what Kubernetes does not use, and commands that forget a part of what is moved. */
import { expect } from 'chai';
import { errorOf, type Ended } from '../cli/run.js';
import type { Etcd } from '../rig/etcd.js';
import { Bare, createPod } from './bare.js';
import { describeKube } from './binaries.js';
import { PREFIX } from './lockstep.js';
import { frozen, phaseOf, reached } from './night.js';
import { retireReport } from './reports.js';
import { until } from './until.js';

const SECRETS = '/registry/secrets/';
const DEFAULT = '/api/v1/namespaces/default';

describeKube('a prefix that Kubernetes does not use', () => {
  let bare: Bare;

  before(async () => {
    bare = await Bare.start({ apiservers: 1, args: ['--etcd-prefix=/myregistry'] });
  });
  after(async () => {
    await bare.end();
  });

  async function refused(): Promise<void> {
    const running = bare.start('cutover');
    const ended = await running.ended;
    expect(errorOf(ended).code, ended.stderr).to.equal('OTHER_OBJECTS');
    expect(ended.code).to.equal(5);
    expect(errorOf(ended).hint).to.include('--etcd-prefix');
    expect(reached('freeze')(running)).to.equal(false);
    expect(await frozen(bare.cluster)).to.equal(false);
    expect(await phaseOf(bare.lockstep.target)).to.equal(undefined);
    expect(bare.hook.asked).to.deep.equal([]);
  }

  it('is refused where it is empty', refused);

  it('is refused where it has other keys, as many as there are objects', async () => {
    for (const n of [0, 1, 2]) await bare.cluster.etcd.ctl('put', `${PREFIX}default/pod-${n}`, 'v');
    await refused();
  });

  it('is refused where it has keys, and there are no objects', async () => {
    const { client } = bare.cluster;
    for (const n of [0, 1, 2]) await client.delete(`${DEFAULT}/pods/pod-${n}`);
    await refused();
  });
});

describeKube('two resources that are moved together', () => {
  let bare: Bare;

  before(async () => {
    bare = await Bare.start({ prefixes: [PREFIX, SECRETS] });
  });
  after(async () => {
    await bare.end();
  });

  function usage(ended: Ended): void {
    expect(errorOf(ended).code, ended.stderr).to.equal('BAD_ARGUMENT');
    expect(errorOf(ended).message).to.include('which is pods, secrets');
    expect(ended.code).to.equal(2);
  }

  /** Whether writes to both are refused, each with its own answer. */
  async function bothRefused(): Promise<string[]> {
    const { client } = bare.cluster;
    const metadata = { annotations: { a: 'b' } };
    const paths = [`${DEFAULT}/pods/pod-0`, `${DEFAULT}/secrets/secret-0`];
    const sent = paths.map((path) => client.send('PATCH', path, { metadata }));
    return (await Promise.all(sent)).map(({ status, body }) => `${status} ${JSON.stringify(body)}`);
  }

  it('are not moved by halves', async () => {
    usage(await bare.run('cutover', { flags: ['--resource', 'secrets'] }));
    expect(await frozen(bare.cluster)).to.equal(false);
    expect(await phaseOf(bare.lockstep.target)).to.equal(undefined);
  });

  it('wait for the one that the hook has forgotten', async () => {
    const { endpoint } = bare.lockstep.target;
    bare.onHook = (asked) => bare.restart({ ...asked, overrides: `/pods#${endpoint}` });
    const running = bare.start('cutover');
    const forgotten = () => bare.hook.asked.length - 1;
    for (const [n, { url }] of bare.cluster.apiservers.entries()) {
      const said = `${url}  (serves pods from target, secrets from source)`;
      await running.until(({ stderr }) => stderr.includes(said));
      expect(forgotten()).to.equal(n);
      for (const answer of await bothRefused()) expect(answer).to.include('etcd-lockstep');
      await bare.restart(bare.hook.asked[n]!);
    }
    const ended = await running.ended;
    expect(ended.code, ended.stderr).to.equal(0);
    await createPod(bare.cluster, 'moved');
    await bare.cluster.client.create(`${DEFAULT}/secrets`, { metadata: { name: 'moved' } });
  });

  it('are not taken back by halves', async () => {
    usage(await bare.run('rollback', { flags: ['--resource', 'secrets'] }));
    expect(await phaseOf(bare.lockstep.target)).to.equal('done');
  });

  it('are retired only when every apiserver reads both from the target', async () => {
    const { cluster, lockstep } = bare;
    const before = await keys(lockstep.source);
    const [{ overrides } = { overrides: '' }] = bare.hook.asked;
    const half = { apiserver: bare.first().url, overrides: `/pods#${lockstep.target.endpoint}` };
    await bare.restart(half);
    const refused = await bare.run('retire');
    expect(errorOf(refused).code, refused.stderr).to.be.oneOf(['STILL_USED', 'OTHER_OBJECTS']);
    expect(errorOf(refused).message).to.include('secrets from source');
    expect(await keys(lockstep.source)).to.deep.equal(before);

    await bare.restart({ ...half, overrides });
    const ended = await bare.run('retire');
    expect(ended.code, ended.stderr).to.equal(0);
    expect(retireReport(ended)).to.include({ removed: true, left: 0 });
    const gone = (key: string) => key.startsWith(PREFIX) || key.startsWith(SECRETS);
    expect(before.some(gone)).to.equal(true);
    const left = await keys(lockstep.source);
    expect(left.filter(gone)).to.deep.equal([]);
    expect(before.filter((key) => !gone(key) && !left.includes(key))).to.deep.equal([]);
    await until('all objects', async () => {
      const pods = await cluster.client.list(`${DEFAULT}/pods`);
      const secrets = await cluster.client.list(`${DEFAULT}/secrets`);
      return pods.items.length === 4 && secrets.items.length === 4;
    });
  });
});

/** What comes and goes by itself is left out. */
async function keys(etcd: Etcd): Promise<string[]> {
  const all = await etcd.ctl('get', '', '--from-key', '--keys-only');
  return all.split('\n').filter((key) => key !== '' && !/events|leases/.test(key));
}
