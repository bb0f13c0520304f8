/** How the target's peer ports are given: what is wrong is said, and what to do; and no secret is. */
import { expect } from 'chai';
import { peersOf, type PeerOptions } from '../../src/config/access.js';
import { parseOptions } from '../../src/config/parse.js';
import { LockstepError } from '../../src/errors.js';
import { Peers } from '../../src/target/peers.js';
import { EtcdClient } from '../../src/wire/client.js';

/** What `--dest-peers` means where it is typed so. */
function typed(...given: string[]): PeerOptions['destPeers'] {
  return parseOptions({ destPeers: given }, {}, [], ['destPeers']).destPeers;
}

function refusal(given: () => unknown): LockstepError {
  try {
    given();
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error('it was taken');
}

const SHAPE = /--dest-peers .*must be `members`, or look like http:\/\/10\.0\.1\.1:2380/;
const WRONG: Record<string, RegExp> = {
  '': SHAPE,
  all: SHAPE,
  '10.0.1.1:2380': SHAPE,
  'localhost:2380': SHAPE,
  'http://10.0.1.1': SHAPE,
  'http://10.0.1.1:99999': SHAPE,
  'http://10.0.1.1:2380/raft': SHAPE,
  'http://10.0.1.1:2380?x=1': SHAPE,
  'http://10.0.1.1:2380#x': SHAPE,
  'ftp://10.0.1.1:2380': SHAPE,
  'unix:///run/etcd.sock': SHAPE,
  'members,http://10.0.1.1:2380': SHAPE,
  'http://10.0.1.1:2380,': SHAPE,
  'http://root:hunter2@10.0.1.1:2380': /must not hold a user or a password: peers have none/,
  'http://root:hunter2@10.0.1.1': /must not hold a user or a password/,
  'root:hunter2@10.0.1.1:2380': SHAPE,
  'http://10.0.1.1:2380,root:hunter2@10.0.1.2:2380': SHAPE,
};

describe('--dest-peers', () => {
  for (const [given, says] of Object.entries(WRONG))
    it(`${JSON.stringify(given)} is wrong`, () => {
      const { code, message, hint } = refusal(() => typed(given));
      expect(code).to.equal('BAD_ARGUMENT');
      expect(message).to.match(says).and.not.to.contain('hunter2');
      expect(hint).to.equal('See --help for what it takes.');
    });

  it('takes `members`, and URLs as `etcdctl member list` has them', () => {
    expect(typed('members')).to.equal('members');
    const urls = ['http://10.0.1.1:2380', 'https://[2001:db8::1]:2380/', 'https://etcd-0:443'];
    expect(typed(urls.join(','))).to.deep.equal(urls);
    expect(typed('http://a:80', ' http://b:2380')).to.deep.equal(['http://a:80', 'http://b:2380']);
  });

  const urls = ['https://10.0.1.1:2380'];
  const pair = { destPeerCert: 'c.pem', destPeerKey: 'c.key' };
  const APART: Record<string, [PeerOptions, says: RegExp, toDo: RegExp]> = {
    ...Object.fromEntries(
      Object.entries({ ...pair, destPeerCacert: 'ca.pem' }).map(([name, file]) => [
        `${name} alone`,
        [
          { [name]: file },
          /^--dest-peer-\w+ is given, but no --dest-peers$/,
          /Add `--dest-peers members`, or leave/,
        ],
      ]),
    ),
    'a certificate without its key': [
      { destPeers: 'members', destPeerCert: 'c.pem' },
      /^--dest-peer-cert and --dest-peer-key belong together$/,
      /^Give both/,
    ],
    'a key without its certificate': [
      { destPeers: urls, destPeerKey: 'c.key' },
      /belong together/,
      /^Give both/,
    ],
    'certificates without TLS': [
      { destPeers: ['http://10.0.1.1:2380'], ...pair },
      /^certificates are given, but --dest-peers says http:\/\/$/,
      /^Write https:\/\/ in --dest-peers, or leave the certificates out\.$/,
    ],
  };

  for (const [what, [given, says, toDo]] of Object.entries(APART))
    it(`${what}: what is wrong, and what to do`, () => {
      const { code, message, hint } = refusal(() => peersOf(given));
      expect(code).to.equal('BAD_ARGUMENT');
      expect(message).to.match(says);
      expect(hint).to.match(toDo);
    });

  it('what goes together is taken; without --dest-peers nobody asks for any', () => {
    expect(peersOf({})).to.equal(undefined);
    expect(peersOf({ destPeers: 'members' })).to.deep.equal({ urls: 'members', tls: {} });
    const tls = { cacert: 'ca.pem', cert: 'c.pem', key: 'c.key' };
    for (const destPeers of [urls, 'members', ['http://a:1', ...urls]] as const)
      expect(peersOf({ destPeers: destPeers as 'members', destPeerCacert: 'ca.pem', ...pair }))
        .to.have.property('tls')
        .that.deep.equals(tls);
  });

  it('files that cannot be used are told before anything is begun, by their flags', () => {
    const target = new EtcdClient('http://127.0.0.1:1', 'target');
    try {
      for (const [name, flag] of [
        ['cacert', '--dest-peer-cacert'],
        ['cert', '--dest-peer-cert'],
        ['key', '--dest-peer-key'],
      ] as const) {
        const tls = { [name]: '/no/such.pem' };
        const { code, message, hint } = refusal(() => new Peers(target, { urls, tls }));
        expect(code).to.equal('BAD_ARGUMENT');
        expect(message).to.contain('cannot read /no/such.pem');
        expect(hint).to.contain(flag);
      }
    } finally {
      target.close();
    }
  });
});
