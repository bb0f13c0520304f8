/** One hook, which is told one event after the other: who tells never waits, and a failure is logged once. */
import { expect } from 'chai';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventHook, type Deliver } from '../../src/hooks/eventhook.js';
import { told } from './events.js';

const GRACE_MS = 200;

describe('a hook', () => {
  let notes: string[];
  beforeEach(() => {
    notes = [];
  });

  const hookOf = (deliver: Deliver) =>
    new EventHook('--on-event', deliver, (note, warn = false) => {
      notes.push(`${warn ? 'WARN ' : ''}${note}`);
    });
  const until = async (holds: () => boolean) => {
    while (!holds()) await sleep(5);
  };

  it('is told in order, one at a time, and without anybody waiting', async () => {
    const seen: string[] = [];
    let atOnce = 0;
    const hook = hookOf(async ({ id }, body) => {
      expect(++atOnce).to.equal(1);
      expect(JSON.parse(body)).to.include({ id, dropped: 0, version: 1 });
      seen.push(id);
      await sleep(2);
      atOnce--;
      return '';
    });
    for (let i = 0; i < 20; i++) hook.tell(told('lockstep-reached', i));
    expect(seen).to.deep.equal([]);
    await hook.end(60_000);
    expect(seen).to.deep.equal(Array.from({ length: 20 }, (_, i) => `run-${i}`));
    expect(notes).to.deep.equal([]);
  });

  it('that fails: a warning at the first, a note when it works again; what throws is a failure', async () => {
    let works = false;
    let tries = 0;
    const hook = hookOf(() => {
      tries++;
      if (tries === 2) throw new Error('planted');
      return Promise.resolve(works ? '' : 'ended with exit code 1');
    });
    for (let i = 1; i <= 3; i++) {
      hook.tell(told('lockstep-reached', i));
      await until(() => tries === i);
    }
    works = true;
    hook.tell(told('alarm', 4));
    await hook.end(60_000);
    expect(notes).to.deep.equal([
      'WARN --on-event could not be told of lockstep-reached: ended with exit code 1. Further failures are not logged until it works again',
      '--on-event works again; 3 events could not be told',
    ]);
  });

  it('that is slow: the oldest is dropped and counted, an alarm is not', async () => {
    const bodies: { event: string; id: string; dropped: number }[] = [];
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const hook = hookOf(async (_, body) => {
      bodies.push(JSON.parse(body) as (typeof bodies)[0]);
      await held;
      return '';
    });
    hook.tell(told('lockstep-reached', 0));
    await until(() => bodies.length === 1);
    hook.tell(told('alarm', 1));
    for (let i = 2; i < 152; i++) hook.tell(told('lockstep-reached', i));
    goOn();
    await hook.end(60_000);
    expect(bodies.slice(0, 3).map(({ id, dropped }) => [id, dropped])).to.deep.equal([
      ...[
        ['run-0', 0],
        ['run-1', 51],
        ['run-53', 0],
      ],
    ]);
    expect(bodies.at(-1)).to.include({ id: 'run-151' });
    expect(notes.join('\n')).to.match(
      /^WARN --on-event is too slow: .*\n--on-event: 51 events were dropped$/,
    );
  });

  it('that hangs at the end: it is ended, told of the end, and what was not told is said', async () => {
    const seen: string[] = [];
    const hook = hookOf(async ({ event }, _, signal) => {
      seen.push(event);
      if (event === 'lockstep-reached')
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve);
        });
      return event === 'lockstep-reached' ? 'was ended' : '';
    });
    for (let i = 0; i < 3; i++) hook.tell(told('lockstep-reached', i));
    hook.tell(told('end', 3));
    await hook.end(GRACE_MS);
    expect(seen).to.deep.equal(['lockstep-reached', 'end']);
    expect(notes.join('\n')).to.contain('--on-event: 2 events were dropped');
  });

  it('that hangs for good: the command ends all the same, and says what nobody was told', async () => {
    const hook = hookOf(async (_, __, signal) => {
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve);
      });
      return 'was ended';
    });
    for (const event of ['alarm', 'alarm', 'end'] as const) hook.tell(told(event));
    await hook.end(GRACE_MS);
    expect(notes.at(-1)).to.equal('WARN --on-event: events that were not told in the end: 3');
  });
});
