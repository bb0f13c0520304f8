/**
 * The watch for late writes is starved when the fence stands, and just then a pod lands on the source
 * alone: no apiserver may be moved before that is known.
 */
import { expect } from 'chai';
import { errorOf, type Running } from '../cli/run.js';
import { FaultProxy } from '../rig/proxy.js';
import { Bare } from './bare.js';
import { describeKube } from './binaries.js';
import { clonePod } from './clones.js';
import { PREFIX } from './lockstep.js';
import { frozen, phaseOf, reached } from './night.js';
import { until } from './until.js';

const SLOW_MS = 300;
const TROUBLE = /trying again/;

interface Fault {
  /** Done while the command stands still behind the takeover. */
  readonly begin: (proxy: FaultProxy) => void;
  /** Returns when the fault is over. */
  readonly end: (proxy: FaultProxy, running: Running) => Promise<void>;
}

const FAULTS: Record<string, Fault> = {
  [`${SLOW_MS} ms slow`]: {
    begin: (proxy) => {
      proxy.delay(SLOW_MS, 'answers');
    },
    end: () => Promise.resolve(),
  },
  stalled: {
    begin: (proxy) => {
      proxy.stall(true);
    },
    end: async (proxy, running) => {
      await running.until(({ stderr }) => TROUBLE.test(stderr));
      proxy.stall(false);
    },
  },
  'cut off': {
    begin: (proxy) => {
      proxy.refuse(true);
      proxy.cut();
    },
    end: async (proxy, running) => {
      await running.until(({ stderr }) => TROUBLE.test(stderr));
      proxy.refuse(false);
    },
  },
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

  for (const [how, { begin, end }] of Object.entries(FAULTS))
    it(`${how}: no apiserver is moved before the late write is known`, async () => {
      const { source, target } = bare.lockstep;
      const proxy = await FaultProxy.start({
        host: '127.0.0.1',
        port: Number(new URL(source.endpoint).port),
      });
      const running = bare.start('cutover', {
        source: proxy.endpoint,
        flags: ['--margin', '5000'],
      });
      await running.until(reached('takeover'));
      await until('the takeover', async () => (await phaseOf(target)) !== undefined);
      running.signal('SIGSTOP');
      expect(reached('switch')(running), 'too late to tell').to.equal(false);
      begin(proxy);
      const late = `pod-${3 + n++}`;
      await clonePod(source, 'pod-0', [late]);
      running.signal('SIGCONT');
      await end(proxy, running);

      const ended = await running.ended;
      await proxy.close();
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
