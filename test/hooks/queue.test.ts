/** What a hook has still to be told: bounded, in order, what is kept stays longest, and what goes is counted. */
import { expect } from 'chai';
import fc from 'fast-check';
import { KEPT, type Told } from '../../src/hooks/events.js';
import { Queue } from '../../src/hooks/queue.js';
import { SOME, told } from './events.js';

function drain(queue: Queue): Told[] {
  const all: Told[] = [];
  for (let one = queue.take(); one; one = queue.take()) all.push(one);
  return all;
}

const isKept = ({ event }: Told) => KEPT.includes(event);

describe('the queue of a hook', () => {
  it('gives up the oldest that repeats, and an alarm only where there is nothing else', () => {
    const queue = new Queue(2);
    const pushed = (['alarm', 'lockstep-reached', 'lockstep-reached', 'alarm'] as const).map(
      (event, i) => queue.push(told(event, i)),
    );
    expect(pushed).to.deep.equal([false, false, true, true]);
    expect(queue.takeDropped()).to.equal(2);
    expect(queue.push(told('end', 4))).to.equal(true);
    expect(drain(queue).map(({ id }) => id)).to.deep.equal(['run-3', 'run-4']);
    expect([queue.takeDropped(), queue.takeDropped()]).to.deep.equal([1, 0]);
  });

  it('in a hurry leaves what is kept, and counts the rest', () => {
    const queue = new Queue();
    for (const event of ['lockstep-reached', 'alarm', 'lockstep-reached', 'end'] as const)
      queue.push(told(event));
    queue.hurry();
    expect(drain(queue).map(({ event }) => event)).to.deep.equal(['alarm', 'end']);
    expect(queue.takeDropped()).to.equal(2);
  });

  it('whatever comes: bounded, in order, nothing lost uncounted, the last one always there', () => {
    const events = fc.array(fc.constantFrom(...SOME), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(events, fc.integer({ min: 1, max: 8 }), (kinds, most) => {
        const queue = new Queue(most);
        const all = kinds.map((kind, i) => told(kind, i));
        for (const one of all) {
          queue.push(one);
          expect(queue.size).to.be.at.most(most);
        }
        const dropped = queue.takeDropped();
        const left = drain(queue);
        expect(left.length + dropped).to.equal(all.length);
        expect(left).to.deep.equal(all.filter((one) => left.includes(one)));
        const keepable = all.filter(isKept).length;
        expect(left.filter(isKept).length).to.be.at.least(Math.min(keepable, most - 1));
        if (isKept(all.at(-1)!)) expect(left.at(-1)).to.equal(all.at(-1));
      }),
    );
  });
});
