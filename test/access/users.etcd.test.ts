/** Every way to say who one is, what is told where that is not enough, and what is never told. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { sourceConnection } from '../../src/config/access.js';
import { errorOf, run, Running } from '../cli/run.js';
import { makeCerts } from '../rig/certs.js';
import { Etcd } from '../rig/etcd.js';
import { flagName, flagsOf, Gate, variablesOf, type Access, type SideName } from './gate.js';
import { Journey, succeeded } from './journey.js';
import { commandsFor, lock } from './rights.js';

const MAIN = fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url));
const SCRIPT = '/usr/bin/script';

/** What the commands in docs/access.md have for the password. */
const SECRET = 'PASSWORD';
const USER = 'lockstep';

/** How the user can be given, as flags and as variables. */
const WAYS: Record<string, (file: string) => { flags?: Access; variables?: Access }> = {
  '--user name:password': () => ({ flags: { user: `${USER}:${SECRET}` } }),
  '--user and --password': () => ({ flags: { user: USER, password: SECRET } }),
  '--password-file': (file) => ({ flags: { user: USER, 'password-file': file } }),
  'variables alone': () => ({ variables: { user: USER, password: SECRET } }),
  'a variable that names the file': (file) => ({
    flags: { user: USER },
    variables: { 'password-file': file },
  }),
};

describe('access: users', () => {
  let journey: Journey;
  let file: string;
  const printed: string[] = [];

  before(async () => {
    journey = await Journey.start();
    file = join(journey.dir, 'secret');
    writeFileSync(file, `${SECRET}\n`);
    await lock(journey.source, commandsFor('source'));
    journey.ways = { ...journey.ways, source: { ...journey.ways.source, user: USER } };
    Object.assign(journey.env, variablesOf('source', { password: SECRET }));
    const seeded = succeeded(await journey.run(journey.seedArgs()));
    expect(seeded.stdout).to.contain(`--user ${USER} --dest-endpoints`);
    printed.push(seeded.stdout, seeded.stderr);
    await lock(await journey.restore(), commandsFor('target'));
  });
  after(() => journey.end());

  /** Asks both sides with one user. */
  async function status(flags: Access, variables: Access = {}) {
    const ends = { endpoints: journey.source.etcd.endpoint };
    const to = { endpoints: journey.target.etcd.endpoint };
    const args = ['source', 'target'].flatMap((side) =>
      flagsOf(side as SideName, { ...(side === 'source' ? ends : to), ...flags }),
    );
    const env = { ...variablesOf('source', variables), ...variablesOf('target', variables) };
    const ended = await run(['status', ...args, '-w', 'json'], env);
    printed.push(ended.stdout, ended.stderr);
    return ended;
  }

  for (const [way, given] of Object.entries(WAYS))
    it(way, async () => {
      const { flags = {}, variables } = given(file);
      succeeded(await status(flags, variables));
    });

  it('asked for on a terminal', async function () {
    if (!existsSync(SCRIPT)) {
      console.log(`${SCRIPT} is missing (util-linux)`);
      this.skip();
    }
    const ends = flagsOf('target', { endpoints: journey.target.etcd.endpoint, user: USER });
    const command = [process.execPath, MAIN, 'status', ...ends].join(' ');
    const terminal = spawn(SCRIPT, ['-qec', command, '/dev/null'], { stdio: 'pipe' });
    let screen = '';
    terminal.stdout.on('data', (chunk: Buffer) => (screen += chunk.toString()));
    const code = new Promise<number | null>((resolve) => terminal.once('close', resolve));
    while (!screen.includes(`Password for ${USER} (--dest-user): `)) await sleep(20);
    terminal.stdin.write(`${SECRET}\n`);
    expect(await code, screen).to.equal(0);
    expect(screen).to.contain('in lockstep, may be followed into');
    printed.push(screen);
  });

  it('no terminal to ask on, a password without a user, two passwords: wrong usage', async function () {
    if (process.stdin.isTTY) this.skip();
    const endpoints = ['http://127.0.0.1:1'];
    for (const [given, says] of [
      [{ user: USER }, /no password for --user lockstep, and no terminal/],
      [{ password: SECRET }, /a password is given, but no --user/],
      [{ user: `${USER}:${SECRET}`, password: SECRET }, /given more than once/],
      [{ user: USER, passwordFile: '/nowhere' }, /--password-file: .*no such file/],
    ] as const) {
      const error = await sourceConnection({ endpoints, ...given }).catch((e: unknown) => e);
      expect(error).to.include({ code: 'BAD_ARGUMENT', disposition: 'usage' });
      expect((error as Error).message)
        .to.match(says)
        .and.not.to.contain(SECRET);
    }
  });

  for (const [what, flags, says, hint] of [
    ['nobody', {}, /user name is empty/, 'user'],
    [
      'a wrong password',
      { user: USER, password: `${SECRET}-not` },
      /authentication failed/,
      'user',
    ],
    ['an unknown user', { user: 'stranger', password: SECRET }, /authentication failed/, 'user'],
  ] as const)
    it(`${what}: PERMISSION on either side`, async () => {
      for (const side of ['source', 'target'] as const) {
        const good = { user: USER, 'password-file': file };
        const { source, target } = journey;
        const args = [
          ...flagsOf('source', {
            endpoints: source.etcd.endpoint,
            ...(side === 'source' ? flags : good),
          }),
          ...flagsOf('target', {
            endpoints: target.etcd.endpoint,
            ...(side === 'target' ? flags : good),
          }),
        ];
        const ended = await run(['status', ...args, '-w', 'json']);
        printed.push(ended.stdout, ended.stderr);
        expect(ended.code, ended.stderr).to.equal(5);
        const { code, message, hint: advice } = errorOf(ended);
        expect(code).to.equal('PERMISSION');
        expect(message).to.match(says).and.to.contain(`${side} ${journey[side].etcd.endpoint}`);
        expect(advice).to.contain(flagName(side, hint));
      }
    });

  it('a user for an etcd without authentication does no harm', async () => {
    const open = await Journey.start();
    try {
      open.ways = {
        source: { ...open.ways.source, user: USER, 'password-file': file },
        target: { user: USER, 'password-file': file },
      };
      await open.seed();
      await open.restore();
      succeeded(await open.run(open.statusArgs()));
    } finally {
      await open.end();
    }
  });

  it("a client certificate's common name is the user", async () => {
    const certs = await makeCerts();
    const { ca, server } = certs;
    const named = await ca.client(USER);
    const tls = { ...server, clientCa: ca.cert, client: named };
    const etcd = await Etcd.startFromSnapshot(journey.base, { tls });
    try {
      await lock(new Gate(etcd), commandsFor('target'));
      const ends = flagsOf('target', { endpoints: etcd.endpoint, cacert: ca.cert });
      const status = async (pair: Access) =>
        run(['status', ...ends, ...flagsOf('target', pair), '-w', 'json']);
      succeeded(await status({ ...named }));
      const stranger = await status({ ...certs.client });
      expect(errorOf(stranger).code).to.equal('PERMISSION');
    } finally {
      await etcd.remove();
      certs.remove();
    }
  });

  it('the password is in no output and in no process list', async () => {
    journey.ways = { ...journey.ways, target: { ...journey.ways.target, user: USER } };
    Object.assign(journey.env, variablesOf('target', { 'password-file': file }));
    const follower = new Running(journey.followArgs(), journey.env);
    await follower.until(({ stdout }) => stdout.includes('in lockstep'));
    const lists = processesWith(journey.journal);
    expect(lists).to.have.length(1);
    await journey.target.etcd.stop(); // so that there is trouble to be told
    await follower.until(({ stderr }) => stderr.includes('trying again'));
    await journey.target.etcd.restart();
    await follower.until(({ stderr }) => stderr.includes('answers again'));
    follower.signal('SIGTERM');
    const { stdout, stderr } = succeeded(await follower.ended);
    for (const text of [...printed, ...lists, stdout, stderr]) expect(text).not.to.contain(SECRET);
    expect(printed.length).to.be.greaterThan(15);
  });
});

/** The command lines that contain this. */
function processesWith(part: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8')];
      } catch {
        return []; // it has ended
      }
    })
    .filter((line) => line.includes(part));
}
