/**
 * What stops a command, and what does not: by a command that goes about it as a cutover does (conduct.ts).
 *
 * What it catches. Each of these was put into stopping.ts, output.ts or command.ts, found, and taken out again:
 *   output that is lost, a bug, a lost terminal: the work is left where it was, or ends in the middle of it
 *   any of them stops what must go on; a signal does not; the loss is forgotten by the end, or gets 0, 1 or 130
 *   a line that was cut short taken for written; the log ended for good by one failure; half a line joined
 *   with the next
 */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Output, type WriteFailure } from '../../src/cli/output.js';
import { SmallDisk } from '../crash/smalldisk.js';
import { removeAtExit } from '../rig/child.js';
import { errorOf, Running, type Elsewhere } from './run.js';
import { eventually } from './stage.js';

const PROGRAM = ['--import=tsx', fileURLToPath(new URL('conduct.ts', import.meta.url))];
const FULL = '/dev/full';
const HANGS_AFTER_MS = 30_000;

interface Conducted {
  running: Running;
  /** Whether it has come to a state. */
  is: (state: string) => boolean;
  /** Waits until it has logged something several times more. */
  more: () => Promise<void>;
  /** Lets it come to its end. */
  go: () => void;
}

function conduct(
  env: Record<string, string> = {},
  where: Elsewhere = {},
  flags: string[] = ['-w', 'json'],
): Conducted {
  const folder = mkdtempSync(join(tmpdir(), 'conduct-'));
  removeAtExit(folder);
  const args = ['conduct', folder, ...flags];
  const rounds = join(folder, 'round');
  const round = () => (existsSync(rounds) ? Number(readFileSync(rounds, 'utf8')) : 0);
  return {
    running: new Running(args, env, HANGS_AFTER_MS, { ...where, program: PROGRAM }),
    is: (state) => existsSync(join(folder, state)),
    more: async () => {
      const before = round();
      await eventually(() => Promise.resolve(round() > before + 3));
    },
    go: () => {
      writeFileSync(join(folder, 'go'), '');
    },
  };
}

describe('what stops a command', () => {
  const behind = { BEHIND: '1' };

  it('nothing: it comes to its end, exit 0', async () => {
    const { running, is, go } = conduct();
    go();
    expect((await running.ended).code).to.equal(0);
    expect(is('done')).to.equal(true);
  });

  // An answer that is not waited for is no error; what is wrong for good stays wrong.
  for (const [failure, code] of [
    ['UNAVAILABLE', 130],
    ['BAD_ARGUMENT', 2],
    ['SOURCE_CHANGED', 4],
    ['ETCD', 5],
  ] as const)
    it(`a signal, and then an error (${failure}): exit ${code}`, async () => {
      const { running, is, more } = conduct({ FAILS: failure });
      await more();
      running.signal('SIGTERM');
      const ended = await running.ended;
      expect(ended.code, ended.stderr).to.equal(code);
      expect(is('thawed')).to.equal(true);
      if (code === 130) expect(ended.stderr).not.to.contain('it is so, and stays so');
      else expect(errorOf(ended).message).to.equal('it is so, and stays so');
    });

  for (const flags of [[], ['-w', 'json']])
    for (const lost of ['stdout', 'stderr'] as const) {
      const how = `${lost} that cannot be written, ${flags.length > 0 ? 'json' : 'text'}`;
      it(`${how}: cleans up, exit 6`, async () => {
        const { running, is } = conduct({}, { [lost]: FULL }, flags);
        const ended = await running.ended;
        expect(ended.code, ended.stderr).to.equal(6);
        expect(is('thawed')).to.equal(true);
        if (lost === 'stdout') expect(ended.stderr).to.contain('no space left on device');
      });

      it(`${how}: does not stop what must go on, exit 6`, async () => {
        const { running, is, go, more } = conduct(behind, { [lost]: FULL }, flags);
        await more();
        if (lost === 'stdout')
          await running.until(({ stderr }) => stderr.includes('going on all the same'));
        go();
        const ended = await running.ended;
        expect(ended.code, ended.stderr).to.equal(6);
        expect(is('done')).to.equal(true);
      });
    }

  it('a reader that has stopped does not hold up what must go on, exit 6', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fifo-'));
    removeAtExit(folder);
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const reader = openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK);
    const { running, is, more, go } = conduct(behind, { stderr: fifo });
    await more();
    // Full: from here on whoever waits, waits for ever.
    expect(() => {
      for (;;) writeSync(reader, Buffer.alloc(4096, 0x2e));
    }).to.throw(/EAGAIN/);
    await more();
    go();
    expect((await running.ended).code).to.equal(6);
    expect(is('done')).to.equal(true);
    closeSync(reader);
  });

  it('says at its end what was lost', async () => {
    const { running } = conduct({}, { stdout: FULL });
    const { code, message, hint } = errorOf(await running.ended);
    expect(code).to.equal('OUTPUT_LOST');
    expect(message).to.contain('stdout').and.to.contain('ENOSPC');
    expect(hint).to.contain('Make room');
  });

  for (const bug of ['uncaught', 'rejection']) {
    it(`a bug (${bug}): cleans up, exit 70, and says where`, async () => {
      const { running, is } = conduct({ BUG: bug });
      const { code, stderr } = await running.ended;
      expect(code).to.equal(70);
      expect(stderr).to.match(/Error: planted\n +at .*conduct\.ts/);
      expect(is('thawed')).to.equal(true);
    });

    it(`a bug (${bug}): does not stop what must go on, exit 70`, async () => {
      const { running, is, go, more } = conduct({ ...behind, BUG: bug });
      await running.until(({ stderr }) => stderr.includes('planted'));
      await more();
      go();
      expect((await running.ended).code).to.equal(70);
      expect(is('done')).to.equal(true);
    });
  }

  it('a bug behind which nothing comes any more: exit 70', async () => {
    const { running } = conduct({ BUG: 'hangs' });
    const { code, stderr } = await running.ended;
    expect(code).to.equal(70);
    expect(stderr).to.contain('planted');
  });

  it('a bug with nowhere to say it: cleans up, exit 70', async () => {
    const { running, is } = conduct({ BUG: 'uncaught' }, { stdout: FULL, stderr: FULL });
    expect((await running.ended).code).to.equal(70);
    expect(is('thawed')).to.equal(true);
  });

  for (const [how, does] of Object.entries({
    SIGHUP: (running: Running) => {
      running.signal('SIGHUP');
    },
    'a lost terminal': (running: Running) => {
      running.hangUp();
    },
    'a reader that goes away': (running: Running) => {
      running.leave();
    },
  })) {
    it(`${how}: cleans up, exit 130`, async () => {
      const { running, is, more } = conduct();
      await more();
      does(running);
      expect((await running.ended).code).to.equal(130);
      expect(is('thawed')).to.equal(true);
    });

    it(`${how}: does not stop what must go on, and is no error`, async () => {
      const { running, is, go, more } = conduct(behind);
      await more();
      does(running);
      await more();
      go();
      expect((await running.ended).code).to.equal(0);
      expect(is('done')).to.equal(true);
    });
  }

  it('SIGTERM stops also what must go on; output that was lost is still told by the code', async () => {
    for (const [where, code] of [
      [{}, 130],
      [{ stdout: FULL }, 6],
    ] as const) {
      const { running, is, more } = conduct(behind, where);
      await more();
      running.signal('SIGTERM');
      expect((await running.ended).code).to.equal(code);
      expect(is('thawed')).to.equal(true);
    }
  });
});

describe('output', () => {
  let disk: SmallDisk;
  before(async function () {
    const mounted = await SmallDisk.mount(1);
    if (!mounted) this.skip();
    disk = mounted;
  });
  after(() => disk.unmount());

  it('a disk that fills up in the middle of a line, and has room again: whole lines go on', () => {
    const path = join(disk.path, 'log');
    const file = openSync(path, 'a');
    const failures: WriteFailure[] = [];
    const output = new Output(file, (failure) => failures.push(failure));
    disk.leave(4096);
    const line = `${'x'.repeat(999)}\n`;
    for (let i = 0; i < 4; i++) output.write(line);
    expect(failures).to.deep.equal([]);
    for (let i = 0; i < 3; i++) output.write(line);
    expect(failures.map(({ error }) => error.code)).to.deep.equal(['ENOSPC', 'ENOSPC', 'ENOSPC']);
    expect(failures.map(({ readerGone }) => readerGone)).to.deep.equal([false, false, false]);
    expect(output.isLost).to.equal(true);

    disk.makeRoom();
    output.write('there\n');
    output.write('and on\n');
    expect(output.isLost).to.equal(false);
    closeSync(file);
    const cut = 'x'.repeat(96);
    expect(readFileSync(path, 'utf8')).to.equal(`${line.repeat(4)}${cut}\nthere\nand on\n`);
  });

  it('what can never be written, and nobody else is there: each write fails, none throws', () => {
    const file = openSync('/dev/null', 'r');
    const codes: unknown[] = [];
    const output = new Output(file, ({ error }) => codes.push(error.code));
    output.write('a\n');
    output.write('b\n');
    closeSync(file);
    output.write('c\n');
    expect(codes).to.deep.equal(['EBADF', 'EBADF', 'EBADF']);
  });
});
