/** A source behind `etcd grpc-proxy`, which drops questions for progress: noticed, said, and followed all the same. */
import { expect } from 'chai';
import { run, Running } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { GrpcProxy } from '../rig/grpcproxy.js';

describe('a source behind etcd grpc-proxy', () => {
  let stage: Stage;
  let proxy: GrpcProxy;
  before(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    proxy = await GrpcProxy.start(stage.source);
  });
  after(async () => {
    await proxy.stop();
    await stage.end();
  });

  it('follow --until-synced ends although only other keys are written, exact, and says what it does', async () => {
    const { journal, base } = await stage.seed();
    const target = await stage.etcd(base);
    await stage.foreign(5);
    await stage.put(`${PODS}b`);
    await stage.foreign(5);
    const ends = ['--endpoints', proxy.endpoint, '--dest-endpoints', target.endpoint];
    const ended = await run(['follow', ...ends, '--journal', journal, '--until-synced']);
    expect(ended.code, ended.stderr).to.equal(0);
    expect(ended.stderr).to.contain('does not answer when asked for progress');
    const audit = await stage.audit(target, '--history');
    expect(audit.code, audit.stderr).to.equal(0);
  });

  it('seed through it ends, and what it has made is followed without it', async () => {
    const [journal, out] = [`${stage.dir}/proxied`, `${stage.dir}/proxied.db`];
    const what = ['--prefix', PODS, '--journal', journal, '--out', out];
    const seeded = await run(['seed', '--endpoints', proxy.endpoint, ...what]);
    expect(seeded.code, seeded.stderr).to.equal(0);
    const target = await stage.etcd(out);
    await stage.foreign(2);
    expect((await stage.follow(journal, target, '--until-synced')).code).to.equal(0);
  });

  it('seed through it ends where the store was never compacted, and the prefixes have no event', async () => {
    const [journal, out] = [`${stage.dir}/none`, `${stage.dir}/none.db`];
    const what = ['--prefix', '/registry/none/', '--allow-empty', '--journal', journal];
    await stage.foreign(2);
    const args = ['--endpoints', proxy.endpoint, ...what, '--out', out];
    const seeded = await run(['seed', ...args]);
    expect(seeded.code, seeded.stderr).to.equal(0);
    expect(seeded.stderr).not.to.contain('is not whole');
  });

  it('a mirror says it, too, and once', async () => {
    const target = await stage.etcd();
    const ends = ['--endpoints', proxy.endpoint, '--dest-endpoints', target.endpoint];
    const mirror = new Running(['mirror', ...ends, '--prefix', PODS]);
    await mirror.until(({ stderr }) => stderr.includes('does not answer when asked for progress'));
    await stage.foreign(2);
    mirror.signal('SIGTERM');
    const { code, stderr } = await mirror.ended;
    expect(code, stderr).to.equal(0);
    expect(stderr.match(/does not answer when asked/g)).to.have.length(1);
  });

  it('plan warns of it', async () => {
    const planned = await run([
      'plan',
      '--endpoints',
      proxy.endpoint,
      '--prefix',
      PODS,
      '--sample',
      '1',
    ]);
    expect(planned.stdout, planned.stderr).to.contain('does not answer when asked for progress');
  });
});
