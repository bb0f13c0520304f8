/**
 * Bugs that are put into nights that are fine without them: the exploration has to find each, or its
 * silence says nothing.
 */
import { expect } from 'chai';
import { text, type Side, type Txn } from './etcd.js';
import { Exploration } from './explore.js';
import { PODS } from './kube.js';
import type { Planted } from './machine.js';
import type { Happening, Scenario } from './night.js';
import type { Rule } from './rules.js';

interface Bug {
  what: string;
  night: Omit<Scenario, 'planted'>;
  kinds: Happening['kind'][][];
  planted: Planted;
  breaks: Rule;
}

/** Writes of such keys lose their guards. */
function unguarded(side: Side, written: string): Planted {
  const keys = ({ success }: Txn) =>
    (success ?? []).map(({ requestPut, requestDeleteRange }) =>
      text(requestPut?.key ?? requestDeleteRange?.key ?? Buffer.alloc(0)),
    );
  return {
    txn: (request, on) => {
      const meant = on === side && keys(request).some((key) => key.startsWith(written));
      return meant ? { ...request, compare: [] } : request;
    },
  };
}

const BUGS: Bug[] = [
  {
    what: "a cutover that does not raise the target's head",
    night: { commands: ['cutover'], writes: 'always', foreignMs: 50 },
    kinds: [],
    planted: { margin: -1000 },
    breaks: 'missed',
  },
  {
    what: "a rollback that does not raise the source's head",
    night: { before: ['cutover'], commands: ['rollback'], writes: 'always' },
    kinds: [],
    planted: { margin: -1000 },
    breaks: 'missed',
  },
  {
    what: 'a probe that takes any refusal for the freeze',
    night: { commands: ['cutover'], writes: 'once one has moved' },
    kinds: [],
    planted: { refusesProbes: true },
    breaks: 'lost',
  },
  {
    what: 'what is brought back, not guarded by the marker',
    night: { before: ['cutover'], commands: ['rollback', 'rollback'], writes: 'always' },
    kinds: [['kill late']],
    planted: unguarded('source', PODS),
    breaks: 'lost',
  },
  {
    what: 'a retire that removes whatever is there',
    night: { before: ['cutover'], commands: ['retire', 'rollback'], writes: 'always' },
    kinds: [['switch']],
    planted: unguarded('source', PODS),
    breaks: 'lost',
  },
];

describe('the night, with bugs put in', () => {
  for (const { what, night, kinds, planted, breaks } of BUGS)
    it(`${what}: ${breaks}`, async () => {
      const found = async (scenario: Scenario) => {
        const exploration = new Exploration(scenario);
        await exploration.explore(kinds);
        return exploration.findings.get(breaks);
      };
      expect(await found(night), 'without it').to.equal(undefined);
      expect(await found({ ...night, planted }), 'with it').to.include({ rule: breaks });
    });
});
