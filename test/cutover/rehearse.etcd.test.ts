/** A rehearsal: it changes nothing, finds all that is in the way, and sees a hook that does not keep to it. */
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding } from '../../src/cutover/findings.js';
import {
  Rehearsal,
  type RehearsalReport,
  type RehearseOptions,
} from '../../src/cutover/rehearse.js';
import type { HookRun } from '../../src/cutover/rehearsedhooks.js';
import { rehearsalReport } from '../../src/report/rehearsalfacts.js';
import { Stage } from '../cli/stage.js';
import { run } from '../cli/run.js';
import { Book } from '../hooks/told.js';
import { writeKubeconfig } from '../kube/fake.js';
import { withCerts } from '../kube/scene.js';
import { Night } from './night.js';
import { Busy } from './pair.js';

const DONE: HookRun = { seconds: 0.1, restartSeconds: 7, failed: null };

describe('a rehearsal', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let n: Night;
  let busy: Busy;
  before(async () => {
    stage = await Stage.start();
  });
  after(() => stage.end());
  beforeEach(async () => {
    n = await Night.start(stage, certs());
    // Other resources are written, as everywhere: that tells the two etcds apart.
    busy = new Busy(stage.client, (i) => `/registry/leases/${i % 5}`, { atOnce: 2, everyMs: 20 });
  });
  afterEach(async () => {
    await busy.stop();
    await n.end();
  });

  const rehearse = (more: Partial<RehearseOptions> = {}): Promise<RehearsalReport> => {
    const { source, target, apis: apiservers } = n;
    return new Rehearsal({
      ...{ source, target, apiservers, oldApiservers: [], without: [], resources: undefined },
      ...{ margin: 1000, quietMs: 30, maxFreezeSeconds: 20, sampleSeconds: 0.5, peers: undefined },
      switchHook: () => Promise.resolve(DONE),
      onEvent: n.onEvent ?? ((event) => event.kind === 'alarm' && n.alarms.push(event.alarm)),
      onNote: (note) => n.notes.push(note),
      signal: new AbortController().signal,
      ...more,
    }).run();
  };
  const stopping = ({ findings }: RehearsalReport): Finding[] =>
    findings.filter(({ weight }) => weight === 'stops');

  it('goes through, says what the night will be like, and changes nothing', async () => {
    // Only the follower writes on the target, and only other resources on the source.
    const podsBefore = [await n.pods('source'), await n.pods('target')];
    const report = await rehearse();
    expect(report.findings, JSON.stringify(report.findings)).to.deep.equal([]);
    expect(report.goesThrough).to.equal(true);
    rehearsalReport.parse(report);
    expect(report.audit).to.deep.include({ equal: true, keys: 4 });
    expect(report.apiservers.map(({ before, after }) => [before.from, after?.from])).to.deep.equal([
      ['source', 'source'],
      ['source', 'source'],
    ]);
    const { outlook, live } = report;
    expect(outlook?.rolling).to.deep.equal({ seconds: 14, told: 2, of: 2 });
    expect(outlook?.freeze.rolling).to.be.within(15, 60);
    expect(live?.quiet).to.equal(live?.windows);
    expect(live?.revisionsPerSecond).to.be.greaterThan(1);
    expect([await n.pods('source'), await n.pods('target')]).to.deep.equal(podsBefore);
    // To Kubernetes: dry runs, and questions about our own rights.
    expect(new Set(n.scene.written.map((one) => one.slice(2)))).to.deep.equal(
      new Set(['POST selfsubjectaccessreviews']),
    );
    expect(n.frozen).to.equal(false);
    expect(await n.phase()).to.equal(undefined);
    // Lockstep stands: a target that anybody had written to would not be followed into any more.
    expect(stopping(await rehearse({ switchHook: undefined }))).to.deep.equal([]);
  });

  it('tells all that is in the way, not the first alone', async () => {
    n.onAsked = (asked, server) => {
      if (server === 1) return Promise.resolve([503, {}]);
      const isCreate = asked.method === 'POST' && asked.path.endsWith('/pods');
      return Promise.resolve(isCreate ? [500, { message: 'a webhook of others' }] : undefined);
    };
    await n.put('target', 'default/foreign');
    const report = await rehearse();
    expect(report.goesThrough).to.equal(false);
    const [a, b] = n.apis.map(({ url }) => url);
    const about = stopping(report).map((one) => `${one.about} ${one.code ?? ''}`);
    expect(about).to.include.members([`${a} `, `${b} KUBE_UNAVAILABLE`]);
    expect(about.some((one) => one.startsWith('lockstep TARGET_'))).to.equal(true);
    expect(about.some((one) => one.startsWith('audit '))).to.equal(true);
  });

  it('a hook that moves its apiserver: an alarm, and no other hook is run', async () => {
    const run: string[] = [];
    const report = await rehearse({
      switchHook: (api) => {
        run.push(api.url);
        n.serves[n.apis.indexOf(api)] = 'target';
        return Promise.resolve(DONE);
      },
    });
    expect(run).to.have.length(1);
    expect(
      stopping(report).map(({ code }) => code),
      JSON.stringify(report.findings),
    ).to.deep.equal(['HOOK_MOVED']);
    expect(n.alarms.join()).to.contain('HAS MOVED');
    expect(report.apiservers[0]).to.deep.include({ after: { from: 'target', why: null } });
  });

  it('an apiserver that is silent after its hook is not taken for unmoved', async () => {
    const run: string[] = [];
    const report = await rehearse({
      clearWithinMs: 5000,
      switchHook: (api) => {
        run.push(api.url);
        n.onAsked = (_, server) => Promise.resolve(server === 0 ? [500, {}] : undefined);
        return Promise.resolve(DONE);
      },
    });
    expect(run).to.have.length(1);
    expect(stopping(report).some(({ message }) => message.includes('not known where'))).to.equal(
      true,
    );
  }).timeout(180_000);

  it('pre-warmed: old ones have to answer still when the flip was rehearsed', async () => {
    const [fresh, old] = n.apis;
    n.serves[0] = 'target';
    const flipped = (move: () => void) =>
      rehearse({
        ...{ apiservers: [fresh!], oldApiservers: [old!], switchHook: undefined },
        flipHook: () => {
          move();
          return Promise.resolve({ ...DONE, restartSeconds: null });
        },
      });
    const well = await flipped(() => undefined);
    expect(stopping(well), JSON.stringify(well.findings)).to.deep.equal([]);
    expect(well.outlook).to.deep.include({ flipSeconds: 0.1 });
    const moved = await flipped(() => (n.serves[1] = 'target'));
    expect(stopping(moved).map(({ code }) => code)).to.deep.equal(['HOOK_MOVED']);
  });

  it('a follower that is gone is found', async () => {
    await n.follower.end();
    await n.foreign('source', 3);
    const report = await rehearse({ maxFreezeSeconds: 0.5, switchHook: undefined });
    expect(stopping(report).map(({ code }) => code)).to.include('NOT_DRAINED');
  });
});

describe('cutover --rehearse', () => {
  const { certs } = withCerts();
  let stage: Stage;
  let n: Night;
  let busy: Busy;
  before(async () => {
    stage = await Stage.start();
    n = await Night.start(stage, certs());
    busy = new Busy(stage.client, (i) => `/registry/leases/${i % 5}`, { atOnce: 2, everyMs: 20 });
  });
  after(async () => {
    await busy.stop();
    await n.end();
    await stage.end();
  });

  it('writes a runbook with the commands of this cluster, and a report that is whole', async () => {
    const file = (name: string) => join(stage.dir, name);
    const told = new Book(stage.dir);
    writeFileSync(file('move.sh'), '#!/bin/sh\n[ "$REHEARSE" = 1 ] && echo restart-seconds=7\n', {
      mode: 0o755,
    });
    const urls = n.apis.map(({ url }) => url).join(',');
    const kubeconfig = writeKubeconfig(certs(), n.apis[0]!.url);
    const rehearsed = await run([
      ...['cutover', '--rehearse', '--endpoints', stage.source.endpoint],
      ...['--dest-endpoints', n.targetEtcd.endpoint, '--kubeconfig', kubeconfig],
      ...['--apiservers', urls, '--switch-hook', file('move.sh'), '--sample', '500ms'],
      ...['--runbook', file('night.md'), '--report', `${file('r.html')},${file('r.json')}`],
      ...['--on-event', `[ "$REHEARSE" = 1 ] && ${told.command}`],
    ]);
    expect(rehearsed.code, rehearsed.stderr).to.equal(0);
    expect(rehearsed.stdout).to.match(/^GOES THROUGH: \/registry\/pods\/\n/);
    expect(rehearsed.stdout).to.match(/^[\x20-\x7e\n]*$/);
    expect(told.events.map(({ event, rehearsal }) => [event, rehearsal])).to.deep.equal([
      ['step', true],
      ['end', true],
    ]);
    const runbook = readFileSync(file('night.md'), 'utf8');
    for (const has of [stage.source.endpoint, n.targetEtcd.endpoint, urls, '14.0 s'])
      expect(runbook).to.contain(has);
    expect(runbook).to.contain('etcd-lockstep cutover --endpoints');
    expect(runbook).not.to.contain('undefined');
    for (const report of ['r.html', 'r.json'])
      expect((await run(['audit', 'verify', file(report)])).code, report).to.equal(0);
    // There is no night to be shown or waited for; and no file is written over.
    for (const wrong of [
      ['--listen', '0'],
      ['--postpone-until', '02:30'],
      ['--runbook', file('night.md')],
    ]) {
      const ended = await run([
        ...['cutover', '--rehearse', '--endpoints', 'http://127.0.0.1:1'],
        ...['--dest-endpoints', 'http://127.0.0.1:19', '--kubeconfig', kubeconfig, ...wrong],
      ]);
      expect(ended.code, ended.stderr).to.equal(2);
    }
  });
});
