/** The least roles of a mirror, as docs/access.md has them: enough for a base, a tail, leases, an audit. */
import { expect } from 'chai';
import { auditValues } from '../../src/audit/values.js';
import { LockstepError } from '../../src/errors.js';
import { KeyMap } from '../../src/mirror/keymap.js';
import { EtcdClient } from '../../src/wire/client.js';
import { Gate } from '../access/gate.js';
import { commandsFor, lock, MIRROR_USER } from '../access/rights.js';
import { newestVersion, type Etcd } from '../rig/etcd.js';
import { Pair } from './pair.js';

const LEASES = '/registry/leases/';

describe('mirror with the least roles', () => {
  it('is let in; with less it says what is missing', async () => {
    const version = newestVersion();
    const pair = await Pair.start({ version }, { version });
    try {
      const [source, target] = [new Gate(pair.source), new Gate(pair.target)];
      const lease = await source.lease(600);
      await source.put(`${LEASES}a`, 'v', `--lease=${lease}`);
      await target.put('/others/b', 'theirs', `--lease=${await target.lease(600)}`);
      await lock(source, commandsFor('mirror source'));
      await lock(target, commandsFor('mirror target'));
      const as = ({ endpoint }: Etcd) => ({
        endpoints: [endpoint],
        user: { name: MIRROR_USER.user, password: MIRROR_USER.password },
      });
      const map = new KeyMap(LEASES);
      const ends = { source: as(pair.source), target: as(pair.target) };
      const running = pair.running(map, ends);
      const caughtUp = async () => {
        const head = await source.head();
        await running.until(({ position }) => (position ?? 0) >= head);
      };
      await caughtUp();
      await source.put(`${LEASES}b`, 'v', `--lease=${await source.lease(600)}`);
      await caughtUp();
      const { status } = await running.stop();
      expect(status).to.include({ puts: 2, trouble: null });
      const clients = {
        source: new EtcdClient(ends.source, 'source'),
        target: new EtcdClient(ends.target, 'target'),
      };
      const report = await auditValues({
        ...{ ...clients, map, onDifference: () => undefined, signal: AbortSignal.timeout(10_000) },
      });
      for (const client of Object.values(clients)) client.close();
      expect(report).to.include({ equal: true, differences: 0 });

      await target.ctl('role', 'revoke-permission', 'mirror-target', LEASES, '--prefix');
      const error: unknown = await pair.sync(map, ends).catch((e: unknown) => e);
      expect(error).to.be.instanceOf(LockstepError).with.property('code', 'PERMISSION');
      expect((error as LockstepError).message).to.contain(`reading ${LEASES} to`);
    } finally {
      await pair.end();
    }
  });
});
