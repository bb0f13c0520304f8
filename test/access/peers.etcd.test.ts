/** The target's peer port with certificates of its own, and entries on behalf of users. */
import { expect } from 'chai';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { burst, byProposals } from '../faults/proposing.js';
import { Scene } from '../faults/scene.js';
import { together } from '../faults/together.js';
import { enableAuth, ROOT, type Permission } from '../rig/auth.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { haveVersion, type EtcdVersion } from '../rig/etcd.js';
import { FaultProxy } from '../rig/proxy.js';
import type { KeyPair } from '../rig/tls.js';

const BUSY_MS = 20;
const USER = { name: 'lockstep', password: 'secret' };
const PREFIXES = ['/registry/pods/', '/registry/leases/', 'etcd-lockstep/'];
const PERMISSIONS = PREFIXES.map((key): Permission => ({ kind: 'readwrite', key, prefix: true }));

/** Waits until it goes by transactions, and is told why. */
async function byTransactions({ follower }: Scene): Promise<string> {
  const { status } = await follower.until(
    'by transactions, with a reason',
    ({ way }) => way.by === 'transactions' && way.why?.code === 'PEER_PORT',
  );
  const { message, hint } = status.way.why!;
  return `${message} ${hint ?? ''}`;
}

async function withUsers(
  version: EtcdVersion,
  as: { name: string; password: string },
  use: (scene: Scene) => Promise<void>,
): Promise<void> {
  await Scene.with({ version, everyMs: BUSY_MS }, async (scene) => {
    const { etcd } = scene.target;
    await scene.follower.stop();
    await enableAuth(etcd, [{ ...USER, roles: [{ name: 'lockstep', permissions: PERMISSIONS }] }]);
    scene.launch({
      flags: ['--dest-user', `${as.name}:${as.password}`, '--dest-peers', scene.target.peers],
    });
    await use(scene);
    await scene.follower.stop();
    await etcd.ctlAs(ROOT, 'auth', 'disable');
    await scene.follow({ flags: ['--dest-peers', scene.target.peers] });
    await scene.exact();
  });
}

function certificates(certs: () => Certs): Record<string, () => Promise<void>> {
  const secured = (use: (scene: Scene, url: string) => Promise<void>) => {
    const { ca, server } = certs();
    const peerTls = { ...server, clientCa: ca.cert };
    return Scene.with({ target: { peerTls }, everyMs: BUSY_MS }, async (scene) => {
      await scene.follower.stop();
      await use(scene, `https://127.0.0.1:${scene.target.etcd.peerPort}`);
      await scene.exact();
    });
  };
  const flags = (cacert: string, pair?: KeyPair) => [
    ...['--dest-peer-cacert', cacert],
    ...(pair ? ['--dest-peer-cert', pair.cert, '--dest-peer-key', pair.key] : []),
  ];
  const refused = (given: () => string[], why: RegExp, url?: string) => async () =>
    secured(async (scene, at) => {
      scene.launch({ flags: ['--dest-peers', url ?? at, ...given()] });
      expect(await byTransactions(scene)).to.match(why);
    });
  return {
    'with the right ones': () =>
      secured(async (scene, url) => {
        const { ca, client } = certs();
        scene.launch({ flags: ['--dest-peers', url, ...flags(ca.cert, client)] });
        expect(await byProposals(scene)).to.contain(url);
        await scene.follower.stop();
        scene.launch({ flags: ['--dest-peers', 'members', ...flags(ca.cert, client)] });
        expect(await byProposals(scene)).to.contain(url);
        await burst(scene);
      }),
    'with files that are renewed, and do not fit for a while': () =>
      secured(async (scene) => {
        const { peerPort: port } = scene.target.etcd;
        const proxy = await FaultProxy.start({ host: '127.0.0.1', port });
        const url = `https://127.0.0.1:${proxy.port}`;
        const { ca, client, untrustedClient } = certs();
        const pair = { cert: join(scene.dir, 'cert.pem'), key: join(scene.dir, 'key.pem') };
        copyFileSync(client.cert, pair.cert);
        copyFileSync(client.key, pair.key);
        scene.launch({ flags: ['--dest-peers', url, ...flags(ca.cert, pair)] });
        await byProposals(scene);
        copyFileSync(untrustedClient.key, pair.key);
        proxy.cut();
        proxy.refuse(true);
        await byTransactions(scene);
        proxy.refuse(false);
        await scene.follower.until('told', ({ way }) =>
          /does not belong to the certificate/.test(way.why?.message ?? ''),
        );
        copyFileSync(client.key, pair.key);
        await byProposals(scene);
        await proxy.close();
      }),
    'without a certificate of ours': refused(
      () => flags(certs().ca.cert),
      /asks for a client certificate, and none was given.*--dest-peer-cert/,
    ),
    'with a certificate of ours that another CA has signed': refused(
      () => flags(certs().ca.cert, certs().untrustedClient),
      /it refuses our client certificate.*--dest-peer-cert/,
    ),
    'with another CA than its own': refused(
      () => flags(certs().otherCa.cert, certs().client),
      /signed by another CA than the one that was given.*--dest-peer-cacert/,
    ),
  };
}

describe('the peer port with certificates', () => {
  let certs: Certs;
  before(async () => {
    certs = await makeCerts();
  });
  after(() => {
    certs.remove();
  });
  together(
    certificates(() => certs),
    3,
  );
});

describe('proposals on behalf of users', () => {
  const tests: Record<string, () => Promise<void>> = {};
  for (const version of ['3.5.16', '3.5.30'].filter(haveVersion))
    tests[`root, while users and roles change (etcd ${version})`] = () =>
      withUsers(version, ROOT, async (scene) => {
        await byProposals(scene);
        await scene.target.etcd.ctlAs(ROOT, 'role', 'add', 'another');
        await burst(scene);
        await byProposals(scene);
        expect(
          scene.follower
            .statuses()
            .at(-1)!
            .retries.map(({ code }) => code),
        ).to.include('PEER_PORT');
      });
  // It has other rules for who may ask for members.
  for (const version of ['3.5.30'].filter(haveVersion))
    tests[`who is not root goes by transactions (etcd ${version})`] = () =>
      withUsers(version, USER, async (scene) => {
        expect(await byTransactions(scene)).to.match(/how far the users.*root/);
        await burst(scene);
      });
  if (haveVersion('3.4.23'))
    tests['root goes by transactions on 3.4'] = () =>
      withUsers('3.4.23', ROOT, async (scene) => {
        expect(await byTransactions(scene)).to.match(/how far the users.*3\.5/);
      });
  together(tests, 3);
});
