/**
 * Nights of one operator and of two (night.ts), explored to the end: every one in which not more than so
 * many things go wrong, with clients that write in different ways.
 *
 * `known` are the rules that are broken today. They are here so that the list can only get shorter: one
 * that is mended has to be taken off.
 */
import { expect } from 'chai';
import type { Command } from './commands.js';
import { Exploration, type Finding } from './explore.js';
import type { Happening, Scenario } from './night.js';
import type { Rule } from './rules.js';

type Kind = Happening['kind'];

interface Nights {
  before?: Command[];
  commands: Command[];
  /** What may go wrong first, and what then; one thing more in `make soak`. */
  kinds: Kind[][];
  known: Rule[];
  /** Where so many nights are enough. */
  clients?: Clients[];
}

type Clients = Pick<Scenario, 'writes' | 'watchDelayMs'>;

const FAULTS: Kind[] = ['kill', 'kill late', 'interrupt', 'die', 'land'];

/** Those that write all the time keep others from seeing what happens when nobody does. */
const LATE_WATCH: Clients = { writes: 'once taken over', watchDelayMs: 300 };
const CLIENTS: Clients[] = [{ writes: 'always' }, LATE_WATCH];

const NIGHTS: Nights[] = [
  {
    before: ['cutover'],
    commands: ['retire', 'rollback'],
    kinds: [['kill late'], ['deliver']],
    known: [],
    clients: [LATE_WATCH],
  },
  {
    commands: ['cutover'],
    kinds: [FAULTS],
    known: [],
  },
  {
    before: ['cutover'],
    commands: ['rollback'],
    kinds: [FAULTS],
    known: [],
  },
  {
    before: ['cutover'],
    commands: ['retire'],
    kinds: [FAULTS],
    known: [],
  },
  {
    before: ['freeze apply'],
    commands: ['fence'],
    kinds: [FAULTS],
    known: [],
  },
  {
    commands: ['cutover', 'rollback'],
    kinds: [['switch']],
    known: [],
  },
  {
    commands: ['cutover', 'cutover'],
    kinds: [['switch'], ['interrupt']],
    clients: [LATE_WATCH],
    known: [],
  },
  {
    commands: ['cutover', 'freeze remove'],
    kinds: [['switch']],
    known: [],
  },
  {
    before: ['cutover'],
    commands: ['rollback', 'rollback'],
    kinds: [['switch']],
    known: [],
  },
  {
    before: ['cutover'],
    commands: ['rollback', 'cutover'],
    kinds: [['switch']],
    known: [],
  },
  {
    before: ['cutover'],
    commands: ['retire', 'rollback'],
    kinds: [['switch']],
    known: [],
  },
  {
    before: ['cutover'],
    commands: ['rollback', 'retire'],
    kinds: [['switch']],
    known: [],
  },
  {
    before: ['freeze apply'],
    commands: ['fence', 'cutover'],
    kinds: [['switch']],
    known: [],
  },
  {
    before: ['freeze apply'],
    commands: ['fence', 'rollback'],
    kinds: [['switch']],
    known: [],
  },
];

const MORE: Kind[][] = process.env['SOAK'] ? [['switch', 'deliver', ...FAULTS]] : [];

describe('the night, explored', function () {
  this.timeout(0);
  for (const { before = [], commands, kinds, known, clients = CLIENTS } of NIGHTS)
    it(`${titleOf(before, commands)}, whatever ${kinds.map((one) => one.join(', ')).join('; then ')}`, async () => {
      const found = new Map<Rule, Finding>();
      let nights = 0;
      for (const some of clients) {
        const exploration = new Exploration({ before, commands, ...some });
        await exploration.explore([...kinds, ...MORE]);
        nights += exploration.nights;
        for (const [rule, finding] of exploration.findings)
          if (!found.has(rule)) found.set(rule, finding);
      }
      expect(nights).to.be.greaterThan(10);
      const news = [...found.values()].filter(({ rule }) => !known.includes(rule));
      // As an error, because chai cuts what is long.
      if (news.length > 0) throw new Error(tell(news));
      expect([...found.keys()]).to.have.members(known);
    });
});

function titleOf(before: readonly Command[], commands: readonly Command[]): string {
  return [...before.map((one) => `${one} done`), commands.join(' and ')].join(', then ');
}

function tell(findings: readonly Finding[]): string {
  const all = findings.map(({ rule, what, plan }) => `${rule}: ${what} ${JSON.stringify(plan)}`);
  return [...all, 'The first of them:', ...(findings[0]?.trace ?? [])].join('\n  ');
}
