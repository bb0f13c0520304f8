/** Closing a migration ends what is under way, on whatever connection it is. */
import { expect } from 'chai';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Migration, PlainMirror, type LockstepError } from '../../src/index.js';

const SOON_MS = 3000;

describe('a migration that is closed', () => {
  const sockets: Socket[] = [];
  let silent: Server;
  let endpoint: string;

  before(async () => {
    silent = createServer((socket) => sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  });
  after(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  const ends = () => ({ source: endpoint, target: endpoint.replace('127.0.0.1', 'localhost') });

  for (const [what, begin] of Object.entries({
    'an audit': () => {
      const migration = new Migration(ends());
      return { of: migration, work: migration.audit() };
    },
    'a mirror': () => {
      const mirror = new PlainMirror({ ...ends(), prefix: '/p/' });
      return { of: mirror, work: mirror.run().next() };
    },
  }))
    it(`ends ${what} that waits for an answer`, async () => {
      const { of, work } = begin();
      const ended = work.then(
        () => 'done',
        (error: unknown) => (error as LockstepError).code,
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
      const started = performance.now();
      of.close();
      // What only asks has failed by it; what goes on has come to its end.
      expect(await ended).to.be.oneOf(['UNAVAILABLE', 'done']);
      expect(performance.now() - started).to.be.below(SOON_MS);
    });
});
