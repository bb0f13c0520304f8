/** A seed from a snapshot is stopped while its stream is silent: it ends at once, and begins anew the next time. */
import { expect } from 'chai';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { seed } from '../../src/base/seed.js';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import { EtcdClient } from '../../src/wire/client.js';
import { PODS, Stage } from '../cli/stage.js';
import { FaultProxy } from '../rig/proxy.js';

/** More than goes into what lies between two processes. */
const VALUES = 24;
const VALUE_BYTES = 1024 * 1024;
/** Far below the time after which a connection counts as dead. */
const SOON_MS = 5000;

describe('a seed from a snapshot whose stream is silent', () => {
  it('is stopped at once, and the next one comes to its end', async () => {
    const stage = await Stage.start();
    const proxy = await FaultProxy.start({ host: '127.0.0.1', port: stage.source.clientPort });
    const client = new EtcdClient(proxy.endpoint, 'source');
    const stop = new AbortController();
    const options = {
      ...({ prefixes: PrefixSet.of([PODS]), from: 'snapshot', onNote: () => undefined } as const),
      ...{ journal: join(stage.dir, 'stopped.journal'), out: join(stage.dir, 'stopped.db') },
    };
    try {
      for (let i = 0; i < VALUES; i++) await stage.put(`${PODS}${i}`, 'x'.repeat(VALUE_BYTES));
      let stalled = 0;
      const ended = seed(client, {
        ...options,
        signal: stop.signal,
        onBase: ({ bytes }) => {
          if (bytes === 0 || stalled > 0) return;
          stalled = Date.now();
          proxy.stall(true);
        },
      }).then(() => 'done', String);
      while (stalled === 0) await sleep(5);
      await sleep(300);
      const stopped = Date.now();
      stop.abort();
      expect(await ended).to.contain('AbortError');
      expect(Date.now() - stopped).to.be.below(SOON_MS);
      proxy.stall(false);
      const more = { onBase: () => undefined, signal: new AbortController().signal };
      expect((await seed(client, { ...options, ...more })).keys).to.equal(VALUES);
    } finally {
      client.close();
      await proxy.close();
      await stage.end();
    }
  });
});
