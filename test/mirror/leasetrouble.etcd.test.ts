/** Refreshes of leases that are lost on their way to a mirror's target: told, and in its status. */
import { expect } from 'chai';
import { KeyMap } from '../../src/mirror/keymap.js';
import { Mirror } from '../../src/mirror/mirror.js';
import { EtcdClient } from '../../src/wire/client.js';
import { eventually } from '../cli/stage.js';
import { Pair, put } from './pair.js';

const LEASE = 71n;

/** As a proxy does it: takes refreshes, and answers none. */
class Deaf extends EtcdClient {
  deaf = true;

  override async leaseKeepAlive(ids: readonly bigint[]): Promise<Set<bigint>> {
    return this.deaf ? new Set() : super.leaseKeepAlive(ids);
  }
}

describe('a mirror whose refreshes are lost', () => {
  it('says so, in its log and its status, until they come through', async () => {
    const pair = await Pair.start();
    const target = new Deaf(pair.target.endpoint, 'target');
    const notes: string[] = [];
    const warned: string[] = [];
    const stop = new AbortController();
    try {
      await pair.from.leaseGrant(LEASE, 30);
      await pair.write(put('/a/x', 'v', LEASE));
      const mirror = new Mirror({
        ...{ source: pair.from, sourceWatch: pair.from.another(), target },
        ...{ map: new KeyMap('/a/', '/a/'), maxTxnOps: 128, prune: false, untilSynced: false },
        onNote: (note, warn) => (warn ? warned : notes).push(note),
        signal: stop.signal,
      });
      const running = mirror.run();
      await eventually(() => Promise.resolve(mirror.status.trouble?.code === 'NO_LEASE'));
      expect(warned.join()).to.match(
        /a lease on the target cannot be kept alive.* Is there a proxy/,
      );
      target.deaf = false;
      await eventually(() => Promise.resolve(mirror.status.trouble === null));
      stop.abort();
      await running;
    } finally {
      stop.abort();
      target.close();
      await pair.end();
    }
  });
});
