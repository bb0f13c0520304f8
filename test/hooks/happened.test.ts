/** What a hook is told of, from one look at a view to the next: once each, and nothing that is not in it. */
import { expect } from 'chai';
import type { Trouble } from '../../src/async/trouble.js';
import type { AuditOutcome } from '../../src/auditing/outcome.js';
import type { Happened } from '../../src/hooks/events.js';
import { Happenings } from '../../src/hooks/happened.js';
import type { NightStepView, View } from '../../src/listen/view.js';
import { followed, nightView } from '../listen/fixtures.js';

const LASTS_MS = 1000;
const TROUBLE: Trouble = {
  ...{ code: 'UNAVAILABLE', message: 'target: no answer', hint: 'Is it up?' },
  since: '2026-03-01T20:10:00.000Z',
};
const AUDIT: AuditOutcome = {
  ...{ at: '2026-03-01T21:00:00.000Z', result: 'equal', revision: 4990, keys: 7, differences: 0 },
  ...{ seconds: 1.5, file: 'audit-x.html', message: null },
};

/** Looks so often, 100 ms apart. */
class Looking {
  readonly #happenings = new Happenings('/var/pods.journal.audit', LASTS_MS);
  #nowMs = 7000;

  at(view: View, times = 1): Happened[] {
    return Array.from({ length: times }).flatMap(() => {
      this.#nowMs += 100;
      return this.#happenings.look(view, this.#nowMs);
    });
  }
}

const names = (all: readonly Happened[]) => all.map(({ event }) => event);

describe('what has happened', () => {
  it('lockstep: reached at once, lost and reached again when that has lasted; one incident', () => {
    const looking = new Looking();
    const away = followed({ state: 'catching up', lagRevisions: 40, lagSeconds: 3 });
    expect(looking.at(away, 30)).to.deep.equal([]);
    const [reached] = looking.at(followed(), 30);
    expect(reached).to.deep.include({ event: 'lockstep-reached', again: false, revision: 5000 });
    for (let i = 0; i < 20; i++)
      expect([...looking.at(away, 4), ...looking.at(followed(), 5)]).empty;
    const [lost] = looking.at(away, 30);
    expect(lost).to.deep.include({
      ...{ event: 'lockstep-lost', state: 'catching up', lag: { revisions: 40, seconds: 3 } },
      incident: 'follow/b2/lockstep',
    });
    const [again] = looking.at(followed(), 30);
    expect(again).to.deep.include({ event: 'lockstep-reached', again: true });
    expect(again?.incident).to.equal(lost?.incident);
  });

  it('a follower that is taken over, or has failed, has not lost lockstep', () => {
    for (const state of ['taken over', 'failed'] as const) {
      const looking = new Looking();
      looking.at(followed());
      expect(looking.at({ ...followed(), state }, 30)).to.deep.equal([]);
    }
  });

  it('trouble: each code that lasts, once, with an incident of its own, and its end', () => {
    const looking = new Looking();
    const away = (code: 'UNAVAILABLE' | 'NO_SPACE') =>
      followed({ state: 'waiting for the target', trouble: { ...TROUBLE, code } });
    looking.at(followed());
    expect(names(looking.at(away('UNAVAILABLE'), 9))).to.deep.equal([]);
    const begun = looking.at(away('UNAVAILABLE'), 40);
    expect(names(begun)).to.deep.equal(['lockstep-lost', 'trouble']);
    expect(begun[1]).to.deep.include({
      ...{ trouble: TROUBLE, incident: 'follow/b2/trouble/UNAVAILABLE' },
      text: 'target: no answer [UNAVAILABLE]. Is it up?',
    });
    const other = looking.at(away('NO_SPACE'), 30);
    expect(other.map(({ event, incident }) => [event, incident])).to.deep.equal([
      ['trouble-over', 'follow/b2/trouble/UNAVAILABLE'],
      ['trouble', 'follow/b2/trouble/NO_SPACE'],
    ]);
    expect(names(looking.at(followed(), 30))).to.deep.equal(['lockstep-reached', 'trouble-over']);
  });

  it('a target that is still to be restored is no trouble', () => {
    const waiting = followed({ state: 'waiting for the target', position: null, trouble: TROUBLE });
    expect(new Looking().at(waiting, 30)).to.deep.equal([]);
  });

  it('in a night trouble is told at once, and that it is over', () => {
    const looking = new Looking();
    const night = { ...nightView(), audits: [], trouble: null };
    looking.at(night, 3);
    const away = { ...night, mood: 'trouble', trouble: TROUBLE } as const;
    expect(names(looking.at(away, 2))).to.deep.equal(['trouble']);
    expect(names(looking.at(night, 2))).to.deep.equal(['trouble-over']);
  });

  it('audits: each that has ended since it began, in their order; failures in a row once', () => {
    const looking = new Looking();
    const before = { ...AUDIT, at: '2026-03-01T19:00:00.000Z' };
    const failed = (at: string) => ({
      ...({ ...AUDIT, at, result: 'failed', file: null, revision: null } as const),
      message: 'away',
    });
    expect(names(looking.at(followed({ audits: [before] })))).to.deep.equal(['lockstep-reached']);
    const [first, second] = [
      failed('2026-03-01T21:10:00.000Z'),
      failed('2026-03-01T21:20:00.000Z'),
    ];
    const told = looking.at(followed({ audits: [first, AUDIT, before] }));
    expect(told.map((one) => one.event === 'audit' && [one.result, one.report])).to.deep.equal([
      ['equal', '/var/pods.journal.audit/audit-x.html'],
      ['failed', null],
    ]);
    expect(told.map(({ text }) => text)).to.deep.equal([
      'Audit: EQUAL, 7 keys in 1.5 s.',
      'The audit could not be carried through: away.',
    ]);
    expect(looking.at(followed({ audits: [second, AUDIT] }), 3)).to.deep.equal([]);
    const different = { ...AUDIT, at: '2026-03-01T21:30:00.000Z', result: 'different' } as const;
    expect(looking.at(followed({ audits: [different, second] }), 3)[0]).to.deep.include({
      ...{ event: 'audit', result: 'different', incident: 'follow/b2/audit' },
    });
  });

  it('a night: each step that begins and ends, however short; not what an earlier run did', () => {
    const looking = new Looking();
    const night = (...states: [NightStepView['state'], number | null][]): View => {
      const view = nightView();
      const steps = states.map(([state, seconds], i) => ({
        ...{ name: `s${i}`, does: 'does it', state, seconds },
      }));
      return { ...view, audits: [], night: { ...view.night!, steps } };
    };
    const told = [
      night(['done', null], ['to do', null], ['to do', null]),
      night(['done', null], ['now', 0.1], ['to do', null]),
      night(['done', null], ['now', 0.9], ['to do', null]),
      night(['done', null], ['done', 1], ['now', 0]),
      night(['done', null], ['done', 1], ['failed', 2]),
      night(['done', null], ['done', 1], ['failed', 2]),
    ].flatMap((view) => looking.at(view));
    expect(
      told.map((one) => one.event === 'step' && [one.step, one.number, one.state, one.seconds]),
    ).to.deep.equal([
      ['s1', 2, 'begun', null],
      ['s1', 2, 'done', 1],
      ['s2', 3, 'begun', null],
      ['s2', 3, 'failed', 2],
    ]);
    expect(told[0]?.text).to.equal('cutover [2/3] s1: does it');
  });
});
