/**
 * What is tried again says so, and no oftener than somebody can read.
 *
 * What it catches. Each of these was put into patience.ts, found, and taken out again:
 *   nothing told again however long it lasts; each try told; the time since it was told last, not since it
 *   began; the end not told, or told of what nobody had heard of; a second kind of failure kept quiet
 *   behind the first; no hint; tries that go well and badly in turns told each time
 */
import { expect } from 'chai';
import { Lasting, Patience } from '../../src/async/patience.js';
import { LockstepError, type ErrorCode } from '../../src/errors.js';

function away(code: ErrorCode = 'UNAVAILABLE'): LockstepError {
  return new LockstepError(code, `${code}!`, { hint: 'Look there.' });
}

/** A patience with a clock of its own; `at` does something at so many seconds. */
function patience() {
  const notes: string[] = [];
  let now = 0;
  const told = new Patience(
    (note) => notes.push(`${now / 1000}: ${note}`),
    () => now,
  );
  const at = (seconds: number, what: 'well' | LockstepError) => {
    now = seconds * 1000;
    if (what === 'well') told.answered();
    else told.failed(what);
  };
  return { notes, at };
}

describe('patience', () => {
  it('tells at once, every ten seconds, and when it is over', () => {
    const { notes, at } = patience();
    for (let tenth = 0; tenth <= 440; tenth++) at(5 + tenth / 10, away('NO_SPACE'));
    at(50, 'well');
    at(50.1, 'well');
    expect(notes).to.deep.equal([
      '5: NO_SPACE!; trying again. Look there.',
      '15: NO_SPACE!; trying again, for 10 s now. Look there.',
      '25: NO_SPACE!; trying again, for 20 s now. Look there.',
      '35: NO_SPACE!; trying again, for 30 s now. Look there.',
      '45: NO_SPACE!; trying again, for 40 s now. Look there.',
      '50: over after 45 s: NO_SPACE!',
    ]);
  });

  it('what goes well from the first says nothing', () => {
    const { notes, at } = patience();
    at(0, 'well');
    at(100, 'well');
    expect(notes).to.deep.equal([]);
  });

  it('another kind of failure is told at once, and each kind every ten seconds', () => {
    const { notes, at } = patience();
    for (let second = 0; second < 20; second++) {
      at(second, away());
      at(second + 0.5, away('NO_SPACE'));
    }
    expect(notes.map((note) => note.split('!')[0])).to.deep.equal([
      '0: UNAVAILABLE',
      '0.5: NO_SPACE',
      '10: UNAVAILABLE',
      '10.5: NO_SPACE',
    ]);
  });

  it('well and badly in turns: two lines in ten seconds', () => {
    const { notes, at } = patience();
    for (let tenth = 0; tenth < 200; tenth++) at(tenth / 10, tenth % 2 === 0 ? away() : 'well');
    expect(notes).to.deep.equal([
      '0: UNAVAILABLE!; trying again. Look there.',
      '0.1: over after 0 s: UNAVAILABLE!',
      '10: UNAVAILABLE!; trying again. Look there.',
      '10.1: over after 0 s: UNAVAILABLE!',
    ]);
  });

  it('a later trouble is told anew', () => {
    const { notes, at } = patience();
    at(0, away());
    at(2, 'well');
    at(60, away());
    at(75, away());
    expect(notes.slice(2)).to.deep.equal([
      '60: UNAVAILABLE!; trying again. Look there.',
      '75: UNAVAILABLE!; trying again, for 15 s now. Look there.',
    ]);
  });
});

describe('a failure that lasts', () => {
  it('is told once, with what it means, and when it is over; a short one is not', () => {
    const notes: string[] = [];
    let now = 0;
    const told = new Lasting(
      'nothing is done',
      (note, warn = false) => notes.push(`${now}${warn ? '!' : ''}: ${note}`),
      () => now * 1000,
    );
    const at = (seconds: number, what: 'well' | LockstepError) => {
      now = seconds;
      if (what === 'well') told.answered();
      else told.failed(what);
    };
    for (let second = 0; second < 29; second++) at(second, away());
    at(29, 'well');
    for (let second = 30; second < 100; second++) at(second, away(second < 90 ? 'ETCD' : 'TLS'));
    at(100, 'well');
    at(101, 'well');
    expect(notes).to.deep.equal([
      '60!: nothing is done, for 30 s now: ETCD!; trying again. Look there.',
      '100: nothing is done: over after 70 s',
    ]);
  });
});
