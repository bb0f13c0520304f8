/** What is left of a connection when it is closed: nothing, whatever stands at its other end. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { hasCode } from '../../src/errors.js';
import { EtcdClient } from '../../src/wire/client.js';
import { HalfDead, type Kind } from '../rig/halfdead.js';

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(10);
}

describe('a connection that is closed', () => {
  let peer: HalfDead | undefined;
  afterEach(() => {
    peer?.end();
    peer = undefined;
  });

  for (const scheme of ['http', 'https'])
    for (const kind of ['silent', 'drips'] satisfies Kind[])
      it(`${scheme}, ${kind}: ends calls and streams at once, leaves no socket, asks nothing more`, async () => {
        const { port, connections } = (peer = await HalfDead.start(kind));
        const client = new EtcdClient(`${scheme}://127.0.0.1:${port}`, 'source');
        const stream = await client.watch();
        const messages = stream.messages().next();
        const asked = client.head();
        const ended = Promise.allSettled([asked, messages]);
        await until(() => connections() > 0);
        client.close();
        for (const { status, reason } of (await ended) as PromiseRejectedResult[]) {
          expect(status).to.equal('rejected');
          expect(hasCode(reason, 'UNAVAILABLE', 'TLS'), String(reason)).to.equal(true);
        }
        await until(() => connections() === 0);
        const after = await client.head().catch((error: unknown) => error);
        expect(after).to.have.property('message', 'source: the connection was closed');
        expect(connections()).to.equal(0);
      }).timeout(8000);
});
