/** What a server refuses for a reason of its own has its own sentence, and says what to do. */
import { Metadata, status } from '@grpc/grpc-js';
import { expect } from 'chai';
import { LockstepError } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';
import { mapError } from '../../src/wire/grpcerrors.js';
import { raiseCorrupt } from '../rig/corrupt.js';
import { Etcd } from '../rig/etcd.js';

describe('a server that refuses', () => {
  it('for the alarm CORRUPT: its data is damaged, fatal', async () => {
    const etcd = await Etcd.start();
    const client = new EtcdClient(etcd.endpoint, 'source');
    try {
      await raiseCorrupt(etcd);
      const error: unknown = await client.leaseGrant(5n, 10).catch((thrown: unknown) => thrown);
      if (!(error instanceof LockstepError)) throw error;
      expect(error.message).to.match(/^source http\S+: the data of one of its members is damaged/);
      expect(error.disposition).to.equal('fatal');
      expect(error.hint).to.contain('etcdctl alarm list');
    } finally {
      client.close();
      await etcd.remove();
    }
  });

  // 3.4 and 3.5 give it with different codes.
  for (const code of [status.FAILED_PRECONDITION, status.UNAVAILABLE])
    it(`as a learner does, with code ${status[code]}: the next member, and its name`, () => {
      const details = 'etcdserver: rpc not supported for learner';
      const refusal = Object.assign(new Error(details), {
        code,
        details,
        metadata: new Metadata(),
      });
      const error = mapError(refusal, { side: 'target', endpoint: 'http://l:2379' });
      if (!(error instanceof LockstepError)) throw error;
      expect(error).to.include({ code: 'UNAVAILABLE', side: 'target' });
      expect(error.message).to.equal(
        'target http://l:2379: it is a learner, which serves no clients before it is promoted',
      );
      expect(error.hint).to.contain('--dest-endpoints');
    });
});
