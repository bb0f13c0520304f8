/** What the command line says before it talks to any etcd: help, and flags that it does not take. */
import { expect } from 'chai';
import { mkdtempSync, readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PEERS, SOURCE_ACCESS, TARGET_ACCESS } from '../../src/config/access.js';
import { flagOf, variableOf } from '../../src/config/options.js';
import { removeAtExit } from '../rig/child.js';
import { errorOf, run } from './run.js';

const SOURCE = ['--endpoints', 'http://127.0.0.1:1'];
const DEST = ['--dest-endpoints', 'http://127.0.0.1:19'];

describe('usage', () => {
  const dir = mkdtempSync(join(tmpdir(), 'usage-'));
  removeAtExit(dir);
  const journal = join(dir, 'journal');
  const files = ['--journal', journal, '--out', join(dir, 'base.db')];
  const seed = (...args: string[]) => ['seed', '--prefix', '/a/', ...files, ...args];

  const FLAGS = {
    plan: [
      ...(['endpoints', 'destEndpoints', 'prefix', 'sample'] as const),
      ...PEERS,
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    seed: ['endpoints', 'prefix', 'journal', 'out', 'from', 'allowEmpty', ...SOURCE_ACCESS],
    crop: ['prefix', 'out', 'allowEmpty'],
    follow: [
      ...(['endpoints', 'destEndpoints', 'journal', 'untilRevision', 'untilSynced'] as const),
      ...PEERS,
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    audit: [
      ...(['endpoints', 'destEndpoints', 'prefix', 'revision', 'history'] as const),
      ...(['values', 'destPrefix', 'noDestPrefix', 'allowEmpty'] as const),
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    status: ['destEndpoints', 'endpoints', 'maxLag', ...SOURCE_ACCESS, ...TARGET_ACCESS],
    mirror: [
      ...(['endpoints', 'destEndpoints', 'prefix', 'destPrefix', 'noDestPrefix', 'rev'] as const),
      ...(['maxTxnOps', 'prune', 'untilSynced', 'allowEmpty'] as const),
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    freeze: ['resource', 'kubeconfig', 'apiservers', 'way', 'open'],
    cutover: [
      ...(['endpoints', 'destEndpoints', 'resource', 'kubeconfig', 'apiservers'] as const),
      ...(['oldApiservers', 'switchHook', 'flipHook', 'margin', 'quiet', 'maxFreeze'] as const),
      ...(['watch', 'yes'] as const),
      ...PEERS,
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    fence: [
      ...(['endpoints', 'destEndpoints', 'margin', 'quiet', 'maxFreeze', 'once', 'yes'] as const),
      ...PEERS,
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    rollback: [
      ...(['endpoints', 'destEndpoints', 'resource', 'kubeconfig', 'apiservers'] as const),
      ...(['switchHook', 'margin', 'quiet', 'watch', 'yes'] as const),
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    retire: [
      ...(['endpoints', 'destEndpoints', 'resource', 'kubeconfig', 'apiservers'] as const),
      ...(['watch', 'rate', 'yes'] as const),
      ...SOURCE_ACCESS,
      ...TARGET_ACCESS,
    ],
    config: [],
    watch: [],
  } as const;

  it('without a command: the help, and exit 2', async () => {
    const { code, stderr } = await run([]);
    expect(code).to.equal(2);
    for (const command of Object.keys(FLAGS))
      expect(stderr).to.match(new RegExp(`^  ${command} `, 'm'));
  });

  it('version, --version, -V', async () => {
    for (const asked of ['version', '--version', '-V']) {
      const { code, stdout } = await run([asked]);
      expect(code).to.equal(0);
      expect(stdout).to.match(/^\d+\.\d+\.\d+\n$/);
    }
  });

  it('help of a command, however it is asked for', async () => {
    const { stdout } = await run(['crop', '--help']);
    for (const asked of [
      ['help', 'crop'],
      ['crop', '-h'],
      ['--help', 'crop'],
      ['crop', 'f.db', '--prefix', '/a/', '--help'],
    ])
      expect(await run(asked)).to.include({ code: 0, stdout });
  });

  for (const [command, names] of Object.entries(FLAGS))
    it(`${command} --help: every flag with its variable, and an example`, async () => {
      const { code, stdout, stderr } = await run([command, '--help']);
      expect(code).to.equal(0);
      expect(stderr).to.equal('');
      for (const name of [
        ...names,
        'config',
        'writeOut',
        'logLevel',
        'logFormat',
        'statusInterval',
      ] as const) {
        expect(stdout).to.contain(` ${flagOf(name)}`);
        expect(stdout.replace(/\s+/g, ' ')).to.contain(`env: ${variableOf(name)}`);
      }
      expect(stdout).to.contain(`Example:\n  etcd-lockstep ${command} `);
    });

  const WRONG: Record<string, [args: string[], says: RegExp]> = {
    'freeze without an action it knows': [['freeze', 'thaw'], /thaw: no such action/],
    'freeze remove --open': [['freeze', 'remove', '--open'], /goes with freeze probe alone/],
    'a kubeconfig that is not there': [
      ['freeze', 'apply', '--kubeconfig', '/no/admin.conf'],
      /\/no\/admin.conf: no such file/,
    ],
    'a subresource': [['freeze', 'print', '--resource', 'pods/status'], /must look like pods/],
    'a cutover with nobody to ask': [['cutover', ...SOURCE, ...DEST], /no terminal to ask on/],
    'a rollback with nobody to ask': [['rollback', ...SOURCE, ...DEST], /no terminal/],
    'a fence with nobody to ask': [['fence', ...SOURCE, ...DEST, '--once'], /no terminal/],
    'a cutover onto itself': [
      ['cutover', ...SOURCE, '--dest-endpoints', 'http://127.0.0.1:1', '--yes'],
      /are the same etcd: http/,
    ],
    'no margin': [['fence', ...SOURCE, ...DEST, '--margin', '0'], /--margin "0"/],
    'an apiserver twice': [
      ['cutover', ...SOURCE, ...DEST, '--yes', '--apiservers', 'https://a:1,https://a:1/'],
      /names one apiserver twice/,
    ],
    'a retire of nothing a second': [['retire', ...SOURCE, ...DEST, '--rate', '0'], /--rate "0"/],
    'an unknown flag': [seed('--nope'), /unknown option '--nope'/],
    'a misspelt password': [
      ['status', '--dest-pasword=hunter2'],
      /unknown option '--dest-pasword'. Did you mean --dest-password\?/,
    ],
    'a flag that is nearly one': [seed('--endpoint', 'http://a:1'), /Did you mean --endpoints\?/],
    "another command's flag": [['status', '--journal', 'x'], /status does not take --journal/],
    "etcdctl's time limits": [['status', '--dial-timeout', '5s'], /has a time limit of its own/],
    "etcdctl's blindness": [
      ['status', '--dest-insecure-skip-tls-verify'],
      /always checked: give the CA/,
    ],
    'an unknown flag before the command': [['--nope', 'x', 'status'], /unknown option '--nope'/],
    'an unknown command': [['sed'], /unknown command 'sed'. Did you mean seed\?/],
    'help of an unknown command': [['help', 'nosuch'], /unknown command 'nosuch'/],
    'an unknown command, and --help': [['nosuch', '--help'], /unknown command 'nosuch'/],
    'an argument too many': [['status', 'now'], /too many arguments/],
    'a switch that is neither': [
      ['fence', '--once=maybe'],
      /--once "maybe": must be true or false/,
    ],
    'a time that is none': [['plan', ...SOURCE, '--sample', 'soon'], /such as 500ms, 30s/],
    'a flag without its value': [['status', '--dest-endpoints'], /argument missing/],
    'missing flags': [['mirror'], /--endpoints and --dest-endpoints missing/],
    'a journal that is missing': [['follow', ...SOURCE, ...DEST], /--journal missing/],
    'the way back with a journal': [
      ['follow', '--reverse', '--yes', ...SOURCE, ...DEST, '--journal', journal],
      /--reverse and --journal exclude each other/,
    ],
    'plan that watches for no time': [['plan', ...SOURCE, '--sample', '0'], /--sample/],
    'crop without a file': [['crop', '--prefix', '/a/', '--out', 'x'], /missing required argument/],
    'an endpoint that is no address': [seed('--endpoints', 'http://a b'), /--endpoints "http/],
    'another scheme': [seed('--endpoints', 'ftp://a:1'), /must begin with http/],
    'an IPv6 address without brackets': [seed('--endpoints', '::1:2379'), /needs brackets/],
    'http and https': [seed('--endpoints', 'http://a:1,https://b:1'), /both http:.* and https:/],
    'a user in the URL': [seed('--endpoints', 'http://root:hunter2@a:1'), /must not hold a user/],
    'certificates without TLS': [
      seed('--endpoints', 'http://a:1', '--cacert', 'ca.pem'),
      /certificates are given, but --endpoints says http/,
    ],
    'a certificate without its key': [
      seed('--endpoints', 'https://a:1', '--cert', 'c.pem'),
      /--cert and --key belong together/,
    ],
    'a CA that is not there': [
      seed('--endpoints', 'https://a:1', '--cacert', '/no/ca.pem'),
      /cannot read \/no\/ca.pem/,
    ],
    'a password without a user': [
      ['status', ...DEST, '--dest-password', 'hunter2'],
      /a password is given, but no --dest-user/,
    ],
    'a password twice': [
      ['status', ...DEST, '--dest-user', 'root:hunter2', '--dest-password', 'hunter2'],
      /more than once/,
    ],
    'a user without a password, and nobody to ask': [
      ['status', ...DEST, '--dest-user', 'root'],
      /no password for --dest-user root, and no terminal/,
    ],
    'an empty password': [
      ['status', ...DEST, '--dest-user', 'root', '--dest-password', ''],
      /--dest-password \(not shown\): must not be empty/,
    ],
    'a peer port without a port': [
      ['follow', ...SOURCE, ...DEST, '--journal', journal, '--dest-peers', 'http://a'],
      /--dest-peers "http:\/\/a": must be `members`, or look like/,
    ],
    'certificates of a peer port that nobody asks for': [
      ['follow', ...SOURCE, ...DEST, '--journal', journal, '--dest-peer-cacert', 'ca.pem'],
      /--dest-peer-cacert is given, but no --dest-peers/,
    ],
    'a password in an address without a scheme': [
      ['status', '--dest-endpoints', 'root:hunter2@a:1'],
      /must not hold a user/,
    ],
    'an unknown way to read, and no file': [
      seed(...SOURCE, '--from', 'magic'),
      /cannot read magic: .*--from takes range, snapshot, or the path of a snapshot file/s,
    ],
    'a number out of its bounds': [
      ['mirror', ...SOURCE, ...DEST, '--max-txn-ops', '2'],
      /--max-txn-ops "2": must be a whole number from 8 to 65536/,
    ],
    'an unknown format': [['status', ...DEST, '-w', 'yaml'], /must be text or json/],
    'revision 0': [
      ['audit', ...SOURCE, ...DEST, '--prefix', '/a/', '--revision', '0'],
      /--revision/,
    ],
    'a revision that is no number': [
      ['audit', ...SOURCE, ...DEST, '--prefix', '/a/', '--revision', 'now'],
      /--revision "now": must be a revision/,
    ],
    'prefixes inside each other': [
      seed(...SOURCE, '--prefix', '/a/b/'),
      /\/a\/b\/ lies inside \/a\//,
    ],
    'our own prefix': [seed(...SOURCE, '--prefix', 'etcd-'), /etcd-lockstep's own/],
    'one etcd as both sides': [
      ['audit', ...SOURCE, '--dest-endpoints', 'http://127.0.0.1:1', '--prefix', '/a/'],
      /are the same etcd: http/,
    ],
    'two ends': [
      [
        'follow',
        ...SOURCE,
        ...DEST,
        '--journal',
        journal,
        '--until-synced',
        '--until-revision',
        '5',
      ],
      /exclude each other/,
    ],
    'a standby with an end': [
      ['follow', ...SOURCE, ...DEST, '--journal', journal, '--standby', '--until-synced'],
      /--standby and --until-synced exclude each other/,
    ],
    'another prefix in lockstep': [
      ['audit', ...SOURCE, ...DEST, '--prefix', '/a/', '--dest-prefix', '/b/'],
      /go with --values/,
    ],
    'a history of a mirror': [
      ['audit', ...SOURCE, ...DEST, '--prefix', '/a/', '--values', '--history'],
      /neither --revision nor --history/,
    ],
    'a mirror of two prefixes': [
      ['mirror', ...SOURCE, ...DEST, '--prefix', '/a/', '--prefix', '/b/'],
      /takes one --prefix/,
    ],
    'two prefixes to mirror to': [
      ['mirror', ...SOURCE, ...DEST, '--dest-prefix', '/b/', '--no-dest-prefix'],
      /exclude each other/,
    ],
    'a mirror over our own keys': [
      ['mirror', ...SOURCE, ...DEST, '--prefix', '/a/', '--dest-prefix', 'etcd-lockstep/'],
      /--dest-prefix etcd-lockstep\//,
    ],
    'a mirror that prunes everything': [
      ['mirror', ...SOURCE, ...DEST, '--prune'],
      /--prune over the whole target/,
    ],
    'transactions of one operation': [
      ['mirror', ...SOURCE, ...DEST, '--prefix', '/a/', '--max-txn-ops', '1'],
      /--max-txn-ops "1"/,
    ],
    'a journal that is not there': [
      ['follow', ...SOURCE, ...DEST, '--journal', journal],
      /holds no journal/,
    ],
  };

  it('what is wrong: exit 2, says it, says what to try, and has done nothing', async () => {
    const left = Object.entries(WRONG);
    const worker = async () => {
      for (let next = left.pop(); next; next = left.pop()) {
        const [what, [args, says]] = next;
        const { code, stdout, stderr } = await run(args);
        expect(code, what).to.equal(2);
        expect(stdout, what).to.equal('');
        expect(stderr, what).to.match(says);
        expect(stderr, what).to.match(/^Error: .+\nTry: .+\n$/);
        expect(stderr, what).not.to.contain('hunter2');
      }
    };
    await Promise.all(Array.from({ length: 4 }, worker));
    expect(readdirSync(dir)).to.be.empty;
  });

  it('variables do for flags, and flags win over them', async () => {
    const env = {
      LOCKSTEP_DEST_ENDPOINTS: 'http://127.0.0.1:1',
      LOCKSTEP_ENDPOINTS: 'ftp://variable:1',
      LOCKSTEP_WRITE_OUT: 'json',
    };
    const variable = await run(['status'], env);
    expect(variable.code).to.equal(2);
    expect(errorOf(variable)).to.deep.include({ code: 'BAD_ARGUMENT', disposition: 'usage' });
    const flag = await run(['status', ...SOURCE], env);
    expect(flag.code).to.equal(3);
    expect(errorOf(flag).message).to.contain('127.0.0.1:1');
  });

  it('-w json, also before the command and for wrong flags', async () => {
    for (const args of [
      ['-w', 'json', 'status', '--nope'],
      ['status', '--nope', '--write-out=json'],
      ['--write-out', 'json', 'sed'],
    ]) {
      const wrong = await run(args);
      expect(wrong.code).to.equal(2);
      expect(errorOf(wrong)).to.deep.include({ code: 'BAD_ARGUMENT', disposition: 'usage' });
    }
    const failed = await run(['-w', 'json', ...DEST, 'status', ...SOURCE]);
    expect(failed.code).to.equal(3);
    expect(errorOf(failed).code).to.equal('UNAVAILABLE');
  });

  it('a switch can be turned off on the command line', async () => {
    const args = ['follow', ...SOURCE, ...DEST, '--journal', journal, '--until-revision', '5'];
    const { stderr } = await run([...args, '--until-synced=false'], {
      LOCKSTEP_UNTIL_SYNCED: 'true',
    });
    expect(stderr).to.contain('holds no journal');
  });

  it('a switch can be turned off in the environment', async () => {
    const args = ['follow', ...SOURCE, ...DEST, '--journal', journal, '--until-revision', '5'];
    const { stderr } = await run(args, { LOCKSTEP_UNTIL_SYNCED: 'false' });
    expect(stderr).not.to.contain('exclude each other');
  });

  for (const [command, args] of Object.entries({
    seed: seed(...SOURCE),
    audit: ['audit', ...SOURCE, ...DEST, '--prefix', '/a/'],
    status: ['status', ...DEST],
  }))
    it(`${command}: nobody listens there: exit 3 at once`, async () => {
      const { code, stderr } = await run(args);
      expect(code).to.equal(3);
      expect(stderr).to.match(/^Error: .*127\.0\.0\.1:1.*\[UNAVAILABLE\]\nTry: .+\n$/);
      expect(readdirSync(dir)).to.be.empty;
    });

  it('an address that takes connections and never answers: exit 3 in bounded time', async () => {
    const silent = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const started = Date.now();
    const commands = [['status', '--dest-endpoints', url], seed('--endpoints', url)];
    for (const { code } of await Promise.all(commands.map((args) => run(args))))
      expect(code).to.equal(3);
    silent.close();
    expect(Date.now() - started).to.be.lessThan(15_000);
  });
});
