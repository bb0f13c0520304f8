/** A night that waits for its moment: what that is, and that it begins then, well, or not at all. */
import { expect } from 'chai';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePostponed } from '../../src/config/postponed.js';
import { refusePostponed, untilItsTime } from '../../src/cutover/postpone.js';
import { LockstepError } from '../../src/errors.js';
import { Stage } from '../cli/stage.js';
import { withCerts } from '../kube/scene.js';
import { removeFolder } from '../rig/child.js';
import { Night } from './night.js';
import { failure, until } from './pair.js';

const dir = mkdtempSync(join(tmpdir(), 'postpone-'));
const file = join(dir, 'hold');
const whole = new AbortController().signal;
after(() => {
  removeFolder(dir);
});

describe('what a night is postponed until', () => {
  const now = new Date(2026, 10, 30, 22, 0, 0);
  const at = (typed: string) => {
    const parsed = parsePostponed(typed, now);
    return typeof parsed !== 'string' && parsed.kind === 'time' ? parsed.at.getTime() : parsed;
  };

  it('is a time, as this clock or its zone has it', () => {
    expect(at('02:30')).to.equal(new Date(2026, 11, 1, 2, 30).getTime());
    expect(at('22:05')).to.equal(new Date(2026, 10, 30, 22, 5).getTime());
    expect(at('2026-12-01T02:30')).to.equal(new Date(2026, 11, 1, 2, 30).getTime());
    expect(at('2026-12-01T02:30:00Z')).to.equal(Date.UTC(2026, 11, 1, 2, 30));
    expect(at('2026-12-01T02:30:00+0100')).to.equal(Date.UTC(2026, 11, 1, 1, 30));
  });

  it('is a file, where it does not look like a time', () => {
    for (const path of ['hold', './02:30', '/run/2026-12-01', 'a 02:30'])
      expect(parsePostponed(path, now)).to.deep.equal({ kind: 'file', path });
  });

  it('what looks like a time and is none is refused', () => {
    for (const typed of [
      '',
      '25:00',
      '02:60',
      '2:30pm',
      '2026-13-01T00:00',
      '2026-02-30T00:00',
      '2026-12-01',
    ])
      expect(parsePostponed(typed, now), typed).to.be.a('string');
    // Tomorrow's, or has somebody been late? The same command must not wait for a day.
    expect(parsePostponed('21:30', now)).to.contain('was 30 min ago');
  });

  it('a time that is over, or far away, and a file that was never there: BAD_ARGUMENT', () => {
    const refuse = (typed: Parameters<typeof refusePostponed>[0]) => () => {
      refusePostponed(typed, now);
    };
    expect(refuse({ kind: 'time', at: new Date(now.getTime() - 1) })).to.throw(/ago/);
    expect(refuse({ kind: 'time', at: new Date(now.getTime() + 1e9) })).to.throw(/7 days/);
    expect(refuse({ kind: 'file', path: join(dir, 'never') })).to.throw(/no such file/);
  });
});

describe('a night that waits for its moment', () => {
  const wait = (check: () => Promise<void>, more = {}) => {
    writeFileSync(file, '');
    const notes: string[] = [];
    const done = untilItsTime({
      ...{ until: { kind: 'file', path: file }, check, signal: whole, onEvent: () => undefined },
      onNote: (note) => notes.push(note),
      ...{ checkEveryMs: 1, giveUpMs: 300, ...more },
    });
    done.catch(() => undefined);
    return { done, notes };
  };
  const bad = (code: 'NOT_DRAINED' | 'TARGET_FOREIGN_WRITE') =>
    new LockstepError(code, `it is ${code}`, { hint: 'Do this.' });

  it('tells what is not well, once, and when it is well again', async () => {
    const answers = [bad('NOT_DRAINED'), bad('NOT_DRAINED'), undefined];
    let asked = 0;
    const { done, notes } = wait(() => {
      const error = answers[asked++];
      return error ? Promise.reject(error) : Promise.resolve();
    });
    await until(() => notes.some((note) => note.startsWith('ready again')));
    rmSync(file);
    await done;
    expect(notes.filter((note) => note.startsWith('not ready'))).to.have.length(1);
  });

  for (const code of ['NOT_DRAINED', 'TARGET_FOREIGN_WRITE'] as const)
    it(`at the moment ${code}: it gives up, and does not begin later by itself`, async () => {
      const { done } = wait(() => Promise.reject(bad(code)));
      rmSync(file);
      const error = await failure(done);
      expect(error.code).to.equal(code);
      expect(error.message).to.contain('does not begin');
      expect(error.hint).to.contain('Nothing was frozen');
    });

  it('a time that has passed while the process stood still is no moment any more', async () => {
    const late = { kind: 'time', at: new Date(Date.now() - 1000) };
    const { done } = wait(() => Promise.resolve(), { until: late });
    expect((await failure(done)).code).to.equal('NO_GO');
  });

  it('a folder that is gone with its file is no word to begin', async () => {
    const away = mkdtempSync(join(tmpdir(), 'away-'));
    const path = join(away, 'hold');
    writeFileSync(path, '');
    const stop = new AbortController();
    const { done, notes } = wait(() => Promise.resolve(), {
      ...{ until: { kind: 'file', path }, signal: stop.signal },
    });
    removeFolder(away);
    await until(() => notes.some((note) => note.includes('no word to begin')));
    stop.abort();
    await done.then(
      () => expect.fail('it has begun'),
      () => undefined,
    );
  });

  describe('on real etcds', () => {
    const { certs } = withCerts();
    let stage: Stage;
    let n: Night;
    before(async () => {
      stage = await Stage.start();
      n = await Night.start(stage, certs());
    });
    after(async () => {
      await n.end();
      await stage.end();
    });

    it('waits with nothing frozen, and is seen to; Ctrl-C then changes nothing', async () => {
      writeFileSync(file, '');
      const stop = new AbortController();
      const running = n.cutover({
        postponeUntil: { kind: 'file', path: file },
        signal: stop.signal,
      });
      await n.noted('ready, waiting until the file');
      expect(n.log.record.postponed).to.deep.include({ notReady: null });
      expect(n.frozen).to.equal(false);
      expect(n.step).to.equal('audit');
      stop.abort();
      await running.then(
        () => expect.fail('it has come to its end'),
        () => undefined,
      );
      expect(n.frozen).to.equal(false);
      expect(await n.phase()).to.equal(undefined);
    });

    it('begins when its file is gone, and comes to its end', async () => {
      writeFileSync(file, '');
      n.notes.length = 0;
      const running = n.cutover({ postponeUntil: { kind: 'file', path: file } });
      await n.noted('ready, waiting until the file');
      await n.put('source', 'default/meanwhile');
      rmSync(file);
      expect((await running).lateWrites.count).to.equal(0);
      expect(await n.phase()).to.equal('done');
      // The same command goes on, whatever has become of the file.
      await n.cutover({ postponeUntil: { kind: 'file', path: file } });
      expect(n.notes.join()).to.contain('is passed over');
    });
  });
});
