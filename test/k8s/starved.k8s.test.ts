/**
 * The watch for late writes is starved when the fence stands, and just then a pod lands on the source
 * alone: no apiserver may be moved before that is known.
 */
import { expect } from 'chai';
import { errorOf, type Running } from '../cli/run.js';
import { FaultProxy } from '../rig/proxy.js';
import { WatchProxy } from '../rig/watchproxy.js';
import { Bare } from './bare.js';
import { describeKube } from './binaries.js';
import { clonePod } from './clones.js';
import { PREFIX } from './lockstep.js';
import { frozen, phaseOf, reached } from './night.js';
import { until } from './until.js';

/** Longer than the fence takes. */
const SLOW_MS = 5000;
const TROUBLE = /trying again/;

/** What is between the command and the source. */
interface Fault {
  readonly endpoint: string;
  /** Done while the command stands still behind the takeover. */
  readonly begin: () => void;
  /** Returns when the fault is over. */
  readonly end: (running: Running) => Promise<void>;
  readonly close: () => Promise<void> | void;
}

/** Everything is stalled, or cut, as by a network. */
async function network(
  source: string,
  act: (proxy: FaultProxy, on: boolean) => void,
): Promise<Fault> {
  const proxy = await FaultProxy.start({ host: '127.0.0.1', port: Number(new URL(source).port) });
  return {
    endpoint: proxy.endpoint,
    begin: () => {
      act(proxy, true);
    },
    end: async (running) => {
      await running.until(({ stderr }) => TROUBLE.test(stderr));
      act(proxy, false);
    },
    close: () => proxy.close(),
  };
}

/** The watch alone; all else is answered. */
async function watch(
  source: string,
  begin: (proxy: WatchProxy) => void,
  end: (proxy: WatchProxy, running: Running) => Promise<void>,
): Promise<Fault> {
  const proxy = await WatchProxy.start(source);
  return {
    endpoint: proxy.endpoint,
    begin: () => {
      begin(proxy);
    },
    end: (running) => end(proxy, running),
    close: () => {
      proxy.close();
    },
  };
}

const FAULTS: Record<string, (source: string) => Promise<Fault>> = {
  [`the watch is ${SLOW_MS} ms slow`]: (source) =>
    watch(
      source,
      (proxy) => (proxy.delayMs = SLOW_MS),
      () => Promise.resolve(),
    ),
  'the watch is silent': (source) =>
    watch(
      source,
      (proxy) => (proxy.stalled = true),
      async (proxy, running) => {
        await running.until(({ stderr }) => /whether something was written late/.test(stderr));
        proxy.stalled = false;
      },
    ),
  'the source is stalled': (source) =>
    network(source, (proxy, on) => {
      proxy.stall(on);
    }),
  'the source is cut off': (source) =>
    network(source, (proxy, on) => {
      proxy.refuse(on);
      if (on) proxy.cut();
    }),
};

describeKube('a watch for late writes that is starved', () => {
  let bare: Bare;
  let n = 0;

  before(async () => {
    bare = await Bare.start();
  });
  after(async () => {
    await bare.end();
  });

  for (const [how, fault] of Object.entries(FAULTS))
    it(`${how}: no apiserver is moved before the late write is known`, async () => {
      const { source, target } = bare.lockstep;
      const { endpoint, begin, end, close } = await fault(source.endpoint);
      const running = bare.start('cutover', { source: endpoint });
      await running.until(reached('takeover'));
      await until('the takeover', async () => (await phaseOf(target)) !== undefined);
      running.signal('SIGSTOP');
      expect(reached('switch')(running), 'too late to tell').to.equal(false);
      begin();
      const late = `pod-${3 + n++}`;
      await clonePod(source, 'pod-0', [late]);
      running.signal('SIGCONT');
      await end(running);

      const ended = await running.ended;
      await close();
      expect(errorOf(ended).code, ended.stderr).to.equal('LATE_WRITE');
      expect(errorOf(ended).message).to.include(`${PREFIX}default/${late}`);
      expect(bare.hook.asked).to.deep.equal([]);
      expect(await phaseOf(target)).to.equal('fenced');
      expect(await frozen(bare.cluster)).to.equal(true);

      const back = await bare.run('rollback');
      expect(back.code, back.stderr).to.equal(0);
      await bare.cluster.client.get(`/api/v1/namespaces/default/pods/${late}`);
      await bare.again();
    });
});
