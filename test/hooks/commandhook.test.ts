/** Real shells that are told of an event: what they get, and that each is over in time, whatever it does. */
import { expect } from 'chai';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { tellCommand } from '../../src/hooks/commandhook.js';
import { removeFolder } from '../rig/child.js';

const BODY = JSON.stringify({ event: 'alarm', text: 'it\'s "so"; $HOME' });
/** Of an answer that is waited for; what hangs is given less. */
const LONG_MS = 60_000;
const SHORT_MS = 300;

describe('a command that is told of an event', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'hook-'));
  });
  afterEach(() => {
    removeFolder(dir);
  });

  const file = (name: string) => join(dir, name);
  const tell = (command: string, withinMs = LONG_MS, body = BODY) =>
    tellCommand(command, { event: 'alarm' }, body, new AbortController().signal, withinMs);
  const pid = () => Number(readFileSync(file('pid'), 'utf8'));

  async function isGone(): Promise<void> {
    const isThere = () => {
      try {
        process.kill(pid(), 0);
        // Ended, and nobody has asked yet how.
        return !/^State:\tZ/m.test(readFileSync(`/proc/${pid()}/status`, 'utf8'));
      } catch {
        return false;
      }
    };
    while (isThere()) await sleep(20);
  }

  it('gets one line on stdin, and the name in the environment', async () => {
    const failed = await tell(
      `cat > ${file('in')}; printf %s "$LOCKSTEP_EVENT" > ${file('name')}; echo out; echo err >&2`,
    );
    expect(failed).to.equal('');
    expect(readFileSync(file('in'), 'utf8')).to.equal(`${BODY}\n`);
    expect(readFileSync(file('name'), 'utf8')).to.equal('alarm');
  });

  it('that fails, is killed, or is not there: how, and the end of what it said', async () => {
    expect(await tell('echo one >&2; echo no route >&2; exit 7')).to.equal(
      'ended with exit code 7; it said: one no route',
    );
    expect(await tell('kill -9 $$')).to.equal('ended with SIGKILL');
    expect(await tell('no-such-command-here')).to.match(
      /^ended with exit code 127; it said: .*not found/,
    );
  });

  it('that does not read what it is told', async () => {
    expect(await tell('exec <&-; exit 0', LONG_MS, 'x'.repeat(1 << 20))).to.equal('');
    expect(await tell('exit 0', LONG_MS, 'x'.repeat(1 << 20))).to.equal('');
  });

  for (const [what, script] of [
    ['hangs', 'sleep 1000'],
    ['hangs, and does not heed being asked', 'trap "" TERM; sleep 1000 & wait; sleep 1000'],
  ] as const)
    it(`that ${what}: is ended, and what it has started`, async () => {
      const started = `sh -c 'echo $$ > ${file('pid')}; ${script.replaceAll('"', '""')}'`;
      const failed = await tell(`${started}; true`, SHORT_MS);
      expect(failed).to.equal('was ended: it took more than 0.3 s');
      if (existsSync(file('pid'))) await isGone();
    });

  it('that became another user’s, and so may not be ended, is not waited for', async () => {
    const kill = process.kill.bind(process);
    process.kill = () => {
      throw Object.assign(new Error('kill EPERM'), { code: 'EPERM' });
    };
    try {
      expect(await tell('sleep 3', SHORT_MS)).to.equal('was ended: it took more than 0.3 s');
    } finally {
      process.kill = kill;
    }
  });

  it('that floods its output: stdout goes nowhere, too much on stderr ends it', async () => {
    expect(await tell('head -c 100000000 /dev/zero')).to.equal('');
    const failed = await tell(`echo $$ > ${file('pid')}; yes >&2`);
    expect(failed).to.match(/^was ended: it printed more than 64 KiB; it said: y y/);
    expect(failed.length).to.be.below(500);
    await isGone();
  });

  it('that leaves something behind, which goes on, is not waited for', async () => {
    const failed = await tell(`(echo $BASHPID; sleep 0.5; touch ${file('later')}) & exit 0`);
    expect(failed).to.equal('');
    while (!existsSync(file('later'))) await sleep(20);
  });

  it('is ended with the command that it is a hook of', async () => {
    const stop = new AbortController();
    const told = tellCommand(
      `echo $$ > ${file('pid')}; sleep 1000`,
      ...([{ event: 'end' }, BODY] as const),
      ...([stop.signal, LONG_MS] as const),
    );
    while (!existsSync(file('pid')) || readFileSync(file('pid'), 'utf8') === '') await sleep(20);
    stop.abort();
    expect(await told).to.match(/^was ended: the command .* ends$/);
    await isGone();
  });
});
