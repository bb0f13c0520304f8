/** follow, seed and mirror that are looked at while they run, as real processes between real etcds. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import type { View } from '../../src/listen/view.js';
import * as contract from '../cli/contract.js';
import { run, Running } from '../cli/run.js';
import { PODS, Stage, type Seeded } from '../cli/stage.js';
import type { Etcd } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';

/** Where it says that it listens. */
async function addressOf(running: Running): Promise<string> {
  const said = () => /listening: (http:[^"\s]+)/.exec(running.stderr)?.[1];
  await running.until(() => said() !== undefined);
  return said() ?? '';
}

async function viewOf(url: string): Promise<View> {
  return (await (await fetch(`${url}view.json`)).json()) as View;
}

/** Waits for a view that is so. */
async function untilView(url: string, is: (view: View) => boolean): Promise<View> {
  for (;;) {
    const view = await viewOf(url);
    if (is(view)) return view;
    await sleep(50);
  }
}

async function untilStatus(url: string, status: number): Promise<string> {
  for (;;) {
    const answer = await fetch(url);
    if (answer.status === status) return answer.text();
    await sleep(50);
  }
}

describe('follow --listen', () => {
  let stage: Stage;
  let seeded: Seeded;
  let target: Etcd;
  beforeEach(async () => {
    stage = await Stage.start();
    await stage.put(`${PODS}a`);
    seeded = await stage.seed();
    target = await stage.etcd(seeded.base);
  });
  afterEach(() => stage.end());

  function follow(...more: string[]): Running {
    return new Running([...stage.followArgs(seeded.journal, target.endpoint), ...more]);
  }

  it('shows both heads, what it wrote, health, and the object of -w json; SIGTERM ends it at once', async () => {
    const follower = follow('--listen', ':0', '--status-interval', '1h');
    const url = await addressOf(follower);
    expect(url).to.match(/^http:\/\/127\.0\.0\.1:\d+\/$/);
    await stage.foreign(2);
    const there = await stage.put(`${PODS}b`);
    const view = await untilView(url, ({ heads }) => heads.target === there);
    expect(view).to.deep.include({ command: 'follow', prefixes: [PODS], night: null });
    expect(view.wrote).to.deep.include({ revisions: 1, fillers: 2, puts: 1, deletions: 0 });
    expect(view.clusters.source)
      .to.match(/^[0-9a-f]+$/)
      .and.not.equal(view.clusters.target);
    expect(view.events.map(({ text }) => text).join()).to.contain('target found at revision');
    await untilView(url, ({ state, journal }) => state === 'in lockstep' && !!journal?.freeBytes);
    expect(await untilStatus(`${url}readyz`, 200)).to.match(/^ready: In lockstep/);

    const status = contract.follow.parse(await (await fetch(`${url}status.json`)).json());
    expect(status).to.deep.include({ state: 'in lockstep', position: there });
    const metrics = await (await fetch(`${url}metrics`)).text();
    expect(metrics).to.match(new RegExp(`^etcd_lockstep_target_revision ${there}$`, 'm'));
    const { fine } = (await (await fetch(`${url}samples.json`)).json()) as { fine: unknown[] };
    expect(fine.length).to.be.greaterThan(0);

    const events = await fetch(`${url}events`);
    const reader = events.body!.getReader();
    await reader.read();
    const asked = performance.now();
    follower.signal('SIGTERM');
    const { code, stderr, stdout } = await follower.ended;
    expect(code, stderr).to.equal(0);
    expect(performance.now() - asked).to.be.lessThan(5000);
    // Asked each second, written at its end alone.
    expect(stdout.trimEnd().split('\n')).to.have.lengthOf(1);
    expect(stderr).not.to.contain('"level":"error"');
  });

  it('says which way it goes: by proposals, by transactions while the peer port is away, and back', async () => {
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: target.peerPort });
    try {
      const follower = follow('--listen', '0', '--dest-peers', proxy.endpoint);
      const url = await addressOf(follower);
      await stage.foreign(3);
      const first = await untilView(url, ({ way }) => way?.by === 'proposals' && !way.why);
      expect(first.way?.where).to.equal(`the peer port ${proxy.endpoint}`);
      const metrics = async () => (await fetch(`${url}metrics`)).text();
      expect(await metrics()).to.match(/^etcd_lockstep_way\{by="proposals"\} 1$/m);
      expect(await metrics()).not.to.contain('way_trouble');

      proxy.refuse(true);
      proxy.cut();
      await stage.foreign(3);
      const slower = await untilView(url, ({ way }) => way?.by === 'transactions');
      expect(slower.way).to.deep.include({ where: null });
      expect(slower.way?.why?.code).to.equal('PEER_PORT');
      // It is behind by nothing, and there is nothing to wait for.
      await untilView(url, ({ state, mood }) => state === 'in lockstep' && mood === 'well');
      expect(await metrics()).to.match(/^etcd_lockstep_way_trouble\{code="PEER_PORT"\} 1$/m);
      const status = contract.follow.parse(await (await fetch(`${url}status.json`)).json());
      expect(status.way).to.deep.include({ by: 'transactions' });
      expect(status.trouble).to.equal(null);

      proxy.refuse(false);
      const is = ({ way }: View) => way?.by === 'proposals' && way.why === null;
      while (!is(await viewOf(url))) await stage.foreign(1);
      follower.signal('SIGTERM');
      const { code, stderr } = await follower.ended;
      expect(code, stderr).to.equal(0);
      const noted = stderr.split('\n').filter((line) => line.includes('going on by transactions'));
      expect(noted).to.have.lengthOf(1);
      expect((await stage.audit(target, '--history')).code).to.equal(0);
    } finally {
      await proxy.close();
    }
  });

  it('is not ready while the target hangs, says why, and is ready again', async () => {
    const follower = follow('--listen', '[::1]:0', '--ready-lag', '1s');
    const url = await addressOf(follower);
    expect(url).to.match(/^http:\/\/\[::1\]:\d+\/$/);
    await untilStatus(`${url}readyz`, 200);
    target.pause();
    await stage.put(`${PODS}b`);
    expect(await untilStatus(`${url}readyz`, 503)).to.match(/^not ready: /);
    const view = await untilView(url, ({ trouble }) => trouble !== null);
    expect(view).to.deep.include({
      state: 'waiting for the target',
      mood: 'trouble',
      ready: false,
    });
    expect(view.trouble?.code).to.equal('UNAVAILABLE');
    expect(view.retries).to.deep.include.members([
      { code: 'UNAVAILABLE', side: 'target', count: view.retries[0]?.count ?? 0 },
    ]);
    expect((await fetch(`${url}healthz`)).status).to.equal(200);
    target.resume();
    await untilStatus(`${url}readyz`, 200);
    follower.signal('SIGINT');
    expect((await follower.ended).code).to.equal(0);
  });

  it('asks what the source has compacted away, also while there is no target', async () => {
    await target.stop();
    const follower = follow('--listen', '0');
    const url = await addressOf(follower);
    const known = await untilView(url, ({ compaction }) => compaction?.revision === 1);
    expect(known).to.deep.include({ state: 'waiting for the target', mood: 'working' });
    const there = await stage.put(`${PODS}b`);
    await untilView(url, ({ journal }) => journal?.revision === there);
    await stage.client.compact(there);
    const moved = await untilView(url, ({ compaction }) => compaction?.revision === there);
    expect(moved.compaction?.movedAt).not.to.equal(null);
    follower.signal('SIGTERM');
    await follower.ended;
  });

  it('a port that is in use is refused before anything is begun', async () => {
    const follower = follow('--listen', '0');
    const { host } = new URL(await addressOf(follower));
    const refused = await run([
      ...['seed', '--endpoints', stage.source.endpoint, '--prefix', PODS, '--listen', host],
      ...['--journal', `${stage.dir}/other`, '--out', `${stage.dir}/other.db`],
    ]);
    expect(refused.code).to.equal(2);
    expect(refused.stderr).to.contain(`cannot listen on ${host}: another process does already`);
    expect(refused.stderr).to.match(/\[CANNOT_LISTEN\]\nTry: /);
    follower.signal('SIGTERM');
    await follower.ended;
  });

  it('the last that is shown of a follower that fails is how', async () => {
    const follower = follow('--listen', '0');
    const url = await addressOf(follower);
    await untilView(url, ({ state }) => state === 'in lockstep');
    const events = await fetch(`${url}events`);
    await target.ctl('put', 'theirs', 'v');
    // Ends with the process.
    const text = await events.text();
    const last = text.trimEnd().split('\n').at(-1)?.replace('data: ', '') ?? '';
    const view = JSON.parse(last) as View;
    expect(view).to.deep.include({ state: 'failed', mood: 'trouble', ready: false });
    expect(view.trouble?.code).to.equal('TARGET_HEAD_OFF');
    expect(view.next.text).not.to.equal('');
    expect((await follower.ended).code).to.equal(5);
  });
});

describe('mirror --listen', () => {
  it('shows a mirror, too', async () => {
    const stage = await Stage.start();
    try {
      await stage.put(`${PODS}a`);
      const target = await stage.etcd();
      const mirror = new Running([
        ...['mirror', '--endpoints', stage.source.endpoint, '--dest-endpoints', target.endpoint],
        ...['--prefix', PODS, '--listen', '0', '-w', 'json'],
      ]);
      const url = await addressOf(mirror);
      const view = await untilView(url, ({ state }) => state === 'mirroring');
      expect(view).to.deep.include({ command: 'mirror', prefixes: [PODS], mood: 'well' });
      expect(view.wrote).to.deep.include({ puts: 1, fillers: 0 });
      expect(view.next.command).to.contain('audit --values');
      contract.mirror.parse(await (await fetch(`${url}status.json`)).json());
      mirror.signal('SIGTERM');
      expect((await mirror.ended).code).to.equal(0);
    } finally {
      await stage.end();
    }
  });
});
