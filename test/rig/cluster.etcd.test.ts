import { expect } from 'chai';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { enableAuth, ROOT } from './auth.js';
import { makeCerts } from './certs.js';
import { EtcdCluster } from './cluster.js';
import { haveVersion } from './etcd.js';

/** etcdctl tries again for five seconds by default. */
const SOON = '--command-timeout=500ms';

async function fails(command: Promise<unknown>): Promise<boolean> {
  return command.then(
    () => false,
    () => true,
  );
}

function head(json: string): number {
  return (JSON.parse(json) as { header: { revision: number } }).header.revision;
}

describe('rig: cluster', () => {
  for (const version of ['3.4.23', '3.5.16'].filter(haveVersion)) {
    describe(version, () => {
      let cluster: EtcdCluster;
      afterEach(async () => {
        await cluster.remove();
      });

      it('has one leader, moves it, and goes on without it', async () => {
        cluster = await EtcdCluster.start({ version });
        expect(cluster.members).to.have.length(3);
        await cluster.ctl('put', 'a', '1');
        for (const member of cluster.members) {
          expect(await member.ctl('get', 'a', '--print-value-only')).to.equal('1\n');
        }
        const [next, last] = await cluster.followers();
        await cluster.moveLeader(next!);
        expect(await cluster.leader()).to.equal(next);
        await next!.kill();
        const leader = await cluster.leader();
        expect(leader).to.not.equal(next);
        expect(await cluster.followers()).to.have.length(1);
        await leader.ctl('put', 'a', '2');
        await next!.restart();
        expect(await next!.ctl('get', 'a', '--print-value-only')).to.equal('2\n');
        expect(await last!.ctl('get', 'a', '--print-value-only')).to.equal('2\n');
      });

      it('starts from a snapshot, with all members at its revision', async () => {
        cluster = await EtcdCluster.start({ version, size: 1 });
        for (const value of ['1', '2', '3']) await cluster.ctl('put', 'a', value);
        const dir = mkdtempSync(join(tmpdir(), 'rig-test-'));
        const file = join(dir, 'snapshot.db');
        await cluster.ctl('snapshot', 'save', file);
        const copy = await EtcdCluster.startFromSnapshot(file, { version });
        try {
          for (const member of copy.members) {
            expect(head(await member.ctl('get', 'a', '-w', 'json'))).to.equal(4);
          }
          await copy.ctl('put', 'a', '4');
          for (const member of copy.members) {
            expect(head(await member.ctl('get', 'a', '-w', 'json'))).to.equal(5);
          }
        } finally {
          await copy.remove();
          rmSync(dir, { recursive: true });
        }
      });

      for (const role of ['leader', 'follower'] as const) {
        it(`isolates its ${role}, which catches up later`, async () => {
          cluster = await EtcdCluster.start({ version, partitionable: true });
          await cluster.ctl('put', 'a', '1');
          const alone =
            role === 'leader' ? await cluster.leader() : (await cluster.followers())[0]!;
          await cluster.partition(alone);
          expect(await fails(alone.ctl('get', 'a', SOON))).to.be.true;
          expect(await fails(alone.ctl('put', 'a', 'lost', SOON))).to.be.true;
          const others = cluster.members.filter((member) => member !== alone);
          for (const [i, other] of others.entries()) await other.ctl('put', 'a', `${i + 2}`);
          const stale = await alone.ctl('get', 'a', '--consistency=s', '--print-value-only');
          expect(stale).to.equal('1\n');
          expect(await cluster.leader()).to.be.oneOf(others);
          await cluster.heal(alone);
          expect(await alone.ctl('get', 'a', '--print-value-only')).to.equal('3\n');
          await alone.ctl('put', 'a', '4');
          expect(await others[0]!.ctl('get', 'a', '--print-value-only')).to.equal('4\n');
        });
      }

      it('lives through a pause of its leader, and a restart of all', async () => {
        cluster = await EtcdCluster.start({ version });
        const leader = await cluster.leader();
        leader.pause();
        const [one] = cluster.members.filter((member) => member !== leader);
        await one!.ready();
        expect(await cluster.leader()).to.not.equal(leader);
        leader.resume();
        await leader.ready();
        await Promise.all(cluster.members.map((member) => member.kill()));
        await Promise.all(cluster.members.map((member) => member.restart()));
        await cluster.ctl('put', 'a', '1');
      });

      it('takes TLS and authentication, and moves its leader then too', async () => {
        const certs = await makeCerts();
        const { server, client, ca } = certs;
        const tls = { ...server, ca: ca.cert, clientCa: ca.cert, client };
        cluster = await EtcdCluster.start({ version, tls });
        await enableAuth(cluster.members[0]!, []);
        const [next] = await cluster.followers();
        await cluster.moveLeader(next!);
        await next!.restart();
        await cluster.ctlAs(ROOT, 'put', 'a', '1');
        certs.remove();
      });
    });
  }
});
