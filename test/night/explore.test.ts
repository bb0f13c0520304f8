/**
 * Nights of one operator and of two (night.ts), explored to the end: every one in which not more than so
 * many things go wrong, with clients that write in different ways. None of them breaks a rule.
 *
 * Where that takes long, `make test` plays a share of the longest: each thing that may go wrong has its
 * turn, and each step, but not both with all clients. `make soak` plays all of them, and with one thing
 * more that goes wrong.
 */
import { expect } from 'chai';
import type { Command } from './commands.js';
import { Exploration, type Deviation, type Finding } from './explore.js';
import type { Happening, Scenario } from './night.js';

type Kind = Happening['kind'];
type Clients = Pick<Scenario, 'writes' | 'watchDelayMs'>;

interface Nights {
  before?: Command[];
  commands: Command[];
  /** What may go wrong first, and what then. */
  kinds: Kind[][];
  /** Where so many nights are enough. */
  clients?: Clients[];
  /** One of so many of the longest nights is played in `make test`. */
  oneOf?: number;
}

const FAULTS: Kind[] = ['kill', 'kill late', 'interrupt', 'die', 'land'];

/** Those that write all the time keep others from seeing what happens when nobody does. */
const LATE_WATCH: Clients = { writes: 'once taken over', watchDelayMs: 300 };
const CLIENTS: Clients[] = [{ writes: 'always' }, LATE_WATCH];

const NIGHTS: Nights[] = [
  { commands: ['cutover'], kinds: [FAULTS], oneOf: 5 },
  { before: ['cutover'], commands: ['rollback'], kinds: [FAULTS], oneOf: 5 },
  { before: ['cutover'], commands: ['retire'], kinds: [FAULTS] },
  { before: ['freeze apply'], commands: ['fence'], kinds: [FAULTS], oneOf: 4 },
  { commands: ['cutover', 'rollback'], kinds: [['switch']] },
  {
    commands: ['cutover', 'cutover'],
    kinds: [['switch'], ['interrupt']],
    clients: [LATE_WATCH],
    oneOf: 8,
  },
  { commands: ['cutover', 'freeze remove'], kinds: [['switch']] },
  { before: ['cutover'], commands: ['rollback', 'rollback'], kinds: [['switch']], oneOf: 4 },
  { before: ['cutover'], commands: ['rollback', 'cutover'], kinds: [['switch']] },
  { before: ['cutover'], commands: ['retire', 'rollback'], kinds: [['switch']] },
  {
    before: ['cutover'],
    commands: ['retire', 'rollback'],
    kinds: [['kill late'], ['deliver']],
    clients: [LATE_WATCH],
  },
  { before: ['cutover'], commands: ['rollback', 'retire'], kinds: [['switch']] },
  { before: ['freeze apply'], commands: ['fence', 'cutover'], kinds: [['switch']] },
  { before: ['freeze apply'], commands: ['fence', 'rollback'], kinds: [['switch']] },
];

const SOAK = process.env['SOAK'] !== undefined;
const MORE: Kind[][] = SOAK ? [['switch', 'deliver', ...FAULTS]] : [];

describe('the night, explored', function () {
  this.timeout(0);
  for (const { before = [], commands, kinds, clients = CLIENTS, oneOf = 1 } of NIGHTS)
    it(`${titleOf(before, commands)}, whatever ${kinds.map((one) => one.join(', ')).join('; then ')}`, async () => {
      const deviations: Deviation[] = [...kinds, ...MORE].map((one) => ({ kinds: one }));
      let nights = 0;
      for (const [turn, some] of clients.entries()) {
        const exploration = new Exploration({ before, commands, ...some });
        await exploration.explore(deviations, { of: SOAK ? 1 : oneOf, turn });
        nights += exploration.nights;
        const found = [...exploration.findings.values()];
        // As an error, because chai cuts what is long.
        if (found.length > 0) throw new Error(tell(some, found));
      }
      expect(nights).to.be.greaterThan(10);
    });
});

function titleOf(before: readonly Command[], commands: readonly Command[]): string {
  return [...before.map((one) => `${one} done`), commands.join(' and ')].join(', then ');
}

function tell(clients: Clients, findings: readonly Finding[]): string {
  const all = findings.map(({ rule, what, plan }) => `${rule}: ${what} ${JSON.stringify(plan)}`);
  const first = findings[0]?.trace ?? [];
  return [...all, `The first of them, with ${JSON.stringify(clients)}:`, ...first].join('\n  ');
}
