/**
 * The model of lockstep (model.ts), explored to the end instead of by chance: every run of a few small
 * histories in which not more than so many things go wrong. Whatever takes the interplay of two or three
 * faults is found here for certain, and with the shortest story that leads to it.
 *
 * A run is the calm one (the oldest packet arrives, and what the source has is known at once) but for its
 * deviations: at one step something else happens. The runs with n deviations are those with n - 1, each
 * with one more behind its last.
 */
import { expect } from 'chai';
import { CURSOR_KEY } from '../../src/target/cursor.js';
import { CHAIN_KEY } from '../../src/target/chain.js';
import { SLOTS, slotKey } from '../../src/target/guard.js';
import { checkEnds, checkFinished, checkNoticed } from './checks.js';
import { World, type By, type Happening } from './model.js';
import { PREFIX, type Entry } from './source.js';
import type { Op } from './store.js';

/** Something that is done to the target by somebody else. */
type Meddling = (world: World) => void;
type Deviation = Happening | Meddling;

interface At {
  step: number;
  what: Deviation;
}

const PUT: Entry = { gap: 0, changes: [{ key: 0, kind: 'put' }] };
const behind = (gap: number): Entry => ({ ...PUT, gap });

const HISTORIES: Record<string, Entry[]> = {
  'only ours': [PUT, PUT, PUT, PUT],
  'a gap among ours': [PUT, behind(2), PUT],
  'gaps all the way': [behind(1), behind(1)],
};

/** All that can happen at a step with so many packets in flight, apart from what is calm. */
type Options = (packets: number) => Deviation[];

const picks = (n: number, from = 0) => Array.from({ length: n - from }, (_, i) => from + i);

const overtaken: Options = (packets) => picks(packets, 1).map((pick) => ({ harm: 'none', pick }));
const harmed: Options = (packets) =>
  (['lost', 'late', 'twice'] as const).flatMap((harm) =>
    picks(packets).map((pick) => ({ harm, pick })),
  );
const killed: Options = () => [{ harm: 'kill', pick: 0 }];
const stopped: Options = () => [{ harm: 'stop', pick: 0 }];

const theirs = Buffer.from('theirs');
const put = (key: Buffer | string, value: Buffer = theirs): Op => ({
  key: Buffer.from(key),
  value,
});
/** All of them can only be noticed by what they do to the order of things. */
const MEDDLING: Record<string, Meddling> = {
  'a key of ours': (world) => {
    world.writeForeign(put(`${PREFIX}0`));
  },
  'a key elsewhere, and a slot with it': (world) => {
    world.writeForeign(put('/elsewhere'), put(slotKey(0)));
  },
  'a slot': (world) => {
    world.writeForeign(put(slotKey(SLOTS - 1)));
  },
  'the chain': (world) => {
    world.writeForeign(put(CHAIN_KEY));
  },
  'the cursor': (world) => {
    world.writeForeign(put(CURSOR_KEY));
  },
  'the cursor, as it was just before': (world) => {
    world.writeForeign(put(CURSOR_KEY, world.target.store.get(CURSOR_KEY)?.value));
  },
};

class Exploration {
  runs = 0;
  #nth = 0;

  constructor(
    private readonly history: readonly Entry[],
    private readonly by: By,
    private readonly followers: number,
    private readonly options: readonly Options[],
    private readonly check: (world: World) => Promise<void> | void,
    private readonly again = 0,
  ) {}

  /** @param more deviations behind those of `before` */
  async explore(more: number, before: readonly At[] = []): Promise<void> {
    const packets = await this.#run(before);
    if (more === 0) return;
    const spoilt = before.some(({ what }) => typeof what === 'function');
    for (let step = (before.at(-1)?.step ?? -1) + 1; step < packets.length; step++)
      for (const what of this.options.flatMap((all) => all(packets[step]!)))
        if (!(spoilt && typeof what === 'function') && (more > 1 || this.#nth++ % ONE_OF === 0))
          await this.explore(more - 1, [...before, { step, what }]);
  }

  /** Returns how many packets were in flight at each step. */
  async #run(deviations: readonly At[]): Promise<number[]> {
    const { history, followers, by, again } = this;
    const plan = { history, tail: 0, seeded: 1, tape: [], weather: 0, by, again };
    const world = new World(plan, followers);
    const packets: number[] = [];
    const last = deviations.at(-1)?.step ?? -1;
    this.runs++;
    try {
      await world.step({ harm: 'reveal', pick: 15 });
      for (let step = 0; step <= last || !world.atRest; step++) {
        packets.push(world.packets);
        const what = deviations.find((one) => one.step === step)?.what ?? CALM;
        if (typeof what === 'function') what(world);
        else await world.step(what);
      }
    } catch (error) {
      throw world.explain(error);
    }
    await this.check(world);
    return packets;
  }
}

const CALM: Happening = { harm: 'none', pick: 0 };

const SOAK = process.env['SOAK'] !== undefined;
/** `make soak` goes one deeper, for some ten minutes. */
const DEPTH = SOAK ? 3 : 2;
/** Of the runs with the most deviations `make soak` takes each, `make test` always the same third. */
const ONE_OF = SOAK ? 1 : 3;

describe('lockstep, explored', function () {
  this.timeout(0);
  for (const by of ['transactions', 'proposals'] as const)
    for (const [title, history] of Object.entries(HISTORIES)) {
      const name = `by ${by}, ${title}`;
      it(`${name}: exact, whatever two things go wrong`, async () => {
        const all = [overtaken, harmed, killed, stopped];
        const exploration = new Exploration(history, by, 1, all, (world) => {
          checkEnds(world);
          checkFinished(world);
        });
        await exploration.explore(2);
        expect(exploration.runs).to.be.greaterThan(100);
      });

      it(`${name}: exact with two at once, one of which finishes`, async () => {
        const exploration = new Exploration(history, by, 2, [overtaken, killed], (world) => {
          checkEnds(world, 'TARGET_TAKEN_OVER');
          checkFinished(world);
        });
        await exploration.explore(DEPTH);
        expect(exploration.runs).to.be.greaterThan(100);
      });

      it(`${name}: exact with two that take over from each other`, async () => {
        const all = [overtaken, killed];
        const exploration = new Exploration(
          history,
          by,
          2,
          all,
          (world) => {
            checkEnds(world, 'TARGET_TAKEN_OVER');
            checkFinished(world);
          },
          2,
        );
        await exploration.explore(DEPTH);
        expect(exploration.runs).to.be.greaterThan(100);
      });

      for (const [what, meddling] of Object.entries(MEDDLING))
        it(`${name}: somebody else writes ${what}: noticed, or no harm`, async () => {
          const all = [overtaken, killed, () => [meddling]];
          const exploration = new Exploration(history, by, 1, all, checkNoticed);
          await exploration.explore(DEPTH);
          expect(exploration.runs).to.be.greaterThan(100);
        });

      it(`${name}: exact, although the target is restored from its base`, async () => {
        const restored: Options = () => [
          (world) => {
            world.restoreTarget();
          },
        ];
        const exploration = new Exploration(
          history,
          by,
          1,
          [overtaken, killed, restored],
          async (world) => {
            // One that had nothing left to write has not seen it; follow.ts asks for the head, too.
            if (world.target.store.head < world.source.head) {
              world.start();
              await world.rest();
            }
            checkEnds(world);
            checkFinished(world);
          },
        );
        await exploration.explore(2);
        expect(exploration.runs).to.be.greaterThan(100);
      });
    }
});
