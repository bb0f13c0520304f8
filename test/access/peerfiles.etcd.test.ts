/** The target's peer ports: certificates that are renewed, and members that cannot be asked. */
import { expect } from 'chai';
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LockstepError } from '../../src/errors.js';
import { Peers } from '../../src/target/peers.js';
import { EtcdClient } from '../../src/wire/client.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { removeAtExit } from '../rig/child.js';
import { Etcd } from '../rig/etcd.js';

describe('access: files and members of peer ports', () => {
  let certs: Certs;
  let etcd: Etcd;
  let target: EtcdClient;
  before(async () => {
    [certs, etcd] = await Promise.all([makeCerts(), Etcd.start()]);
    target = new EtcdClient(etcd.endpoint, 'target');
  });
  after(async () => {
    target.close();
    await etcd.remove();
    certs.remove();
  });

  it('certificates that are half written are tried again, and named', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'peers-'));
    removeAtExit(dir);
    const cert = join(dir, 'peer.pem');
    copyFileSync(certs.client.cert, cert);
    const urls = [`https://127.0.0.1:${etcd.peerPort}`];
    const peers = new Peers(target, { urls, tls: { cert, key: certs.client.key } });
    const failure = async (): Promise<LockstepError> => {
      const error: unknown = await peers.open().catch((failed: unknown) => failed);
      if (error instanceof LockstepError) return error;
      throw new Error('it was opened');
    };
    try {
      writeFileSync(cert, '-----BEGIN CERT');
      expect(await failure()).to.deep.include({ code: 'PEER_PORT', disposition: 'retry' });
      expect((await failure()).message).to.contain(`${cert} holds no certificate in PEM`);
      expect((await failure()).hint).to.contain('--dest-peer-cert');
      // Whole again; this one has no TLS there.
      copyFileSync(certs.client.cert, cert);
      expect((await failure()).message)
        .to.contain(urls[0])
        .and.not.to.contain(cert);
    } finally {
      peers.close();
    }
  });

  it('of the members those are asked that have an address of the network', async () => {
    await etcd.ctl('member', 'add', 'later', '--learner', '--peer-urls', 'unix://later:1');
    const peers = new Peers(target, { urls: 'members' });
    try {
      // Each time another one is the first.
      for (let i = 0; i < 2; i++)
        expect((await peers.open()).where).to.equal(
          `the peer port http://127.0.0.1:${etcd.peerPort}`,
        );
    } finally {
      peers.close();
    }
  });
});
