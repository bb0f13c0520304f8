/**
 * Bugs that are put into nights that are fine without them: the exploration has to find each, or its
 * silence says nothing.
 *
 * A bug is a guard that is taken off what is sent, or a proof that proves nothing any more. Each night
 * is explored only around the calls where the bug is, so that all of them take seconds.
 */
import { expect } from 'chai';
import { Fence } from '../../src/cutover/fence.js';
import { Freeze } from '../../src/kube/freeze.js';
import { OWN_PREFIX } from '../../src/mvcc/prefix.js';
import { LateWrites } from '../../src/proof/latewrites.js';
import { Claim, look } from '../../src/target/claim.js';
import { CURSOR_KEY } from '../../src/target/cursor.js';
import { CUTOVER_KEY, encodeCutover } from '../../src/target/cutoverstate.js';
import { OWNER_KEY } from '../../src/target/nightowner.js';
import { modIs, put } from '../../src/target/txn.js';
import { text, type Side, type Txn } from './etcd.js';
import { Exploration, type Deviation } from './explore.js';
import { PODS, type KubeRequest } from './kube.js';
import type { Planted } from './machine.js';
import type { Scenario } from './night.js';
import type { Rule } from './rules.js';

interface Bug {
  what: string;
  night: Omit<Scenario, 'planted'>;
  deviations: Deviation[];
  planted?: Planted;
  /** Puts it into the code. @returns what takes it out again */
  plant?: () => () => void;
  breaks: Rule;
}

function keysOf({ success }: Txn): string[] {
  return (success ?? []).map(({ requestPut, requestDeleteRange }) =>
    text(requestPut?.key ?? requestDeleteRange?.key ?? Buffer.alloc(0)),
  );
}

/** Writes of such keys lose their guards. */
function unguarded(side: Side, written: string): Planted {
  return {
    txn: (request, on) => {
      const meant = on === side && keysOf(request).some((key) => key.startsWith(written));
      return meant ? { ...request, compare: [] } : request;
    },
  };
}

/** All writes lose the guard that a key was; those that write the key keep it. */
function unguardedBy(side: Side, guard: string): Planted {
  return {
    txn: (request, on) => {
      if (on !== side || keysOf(request).includes(guard)) return request;
      const compare = (request.compare ?? []).filter(
        ({ key }) => text(key ?? Buffer.alloc(0)) !== guard,
      );
      return { ...request, compare };
    },
  };
}

function unconditional(request: KubeRequest): KubeRequest {
  return request.method === 'DELETE' ? { ...request, body: undefined } : request;
}

/** @returns what puts the old one back */
function replaced<T extends object, K extends keyof T>(of: T, name: K, by: T[K]): () => void {
  const old = of[name];
  of[name] = by;
  return () => {
    of[name] = old;
  };
}

function nothingProven(): () => void {
  const proves = replaced(Freeze.prototype, 'prove', () => Promise.resolve());
  const holds = replaced(Freeze.prototype, 'hold', () => Promise.resolve());
  return () => {
    proves();
    holds();
  };
}

/** Without that a cutover waits for ever for a fence that it never raises. */
function fenceHolds(): () => void {
  return replaced(Fence.prototype, 'holds', () => Promise.resolve(true));
}

function neverWaits(): () => void {
  return replaced(LateWrites.prototype, 'passed', function (this: LateWrites) {
    return Promise.resolve(this.position);
  });
}

/** A rollback writes its phase, and goes on by the epoch that it finds. */
function claimless(): () => void {
  const take = Claim.take.bind(Claim);
  return replaced(Claim, 'take', async (options, seen, ...rest) => {
    if (options.self.command !== 'rollback') return take(options, seen, ...rest);
    const [phase = seen.stored.state.phase] = rest;
    const compare = [modIs(CUTOVER_KEY, seen.stored.modRevision)];
    const state = encodeCutover({ ...seen.stored.state, phase });
    await options.target.txn({ compare, success: [put(CUTOVER_KEY, state)] });
    const { stored, owner } = await look(options.target);
    return new Claim(options, stored, owner?.modRevision ?? 0);
  });
}

const BUGS: Bug[] = [
  {
    what: "a cutover that does not raise the target's head",
    night: { commands: ['cutover'], writes: 'always', foreignMs: 50 },
    deviations: [],
    planted: { margin: -1000 },
    plant: fenceHolds,
    breaks: 'missed',
  },
  {
    what: "a rollback that does not raise the source's head",
    night: { before: ['cutover'], commands: ['rollback'], writes: 'always' },
    deviations: [],
    planted: { margin: -1000 },
    plant: fenceHolds,
    breaks: 'missed',
  },
  {
    what: 'a probe that takes any refusal for the freeze',
    night: { commands: ['cutover'], writes: 'once one has moved' },
    deviations: [],
    planted: { refusesProbes: true },
    breaks: 'lost',
  },
  {
    what: 'writes of a cutover that its epoch does not guard, and a rollback',
    night: { commands: ['cutover', 'rollback'], writes: 'always' },
    deviations: [{ kinds: ['switch'], before: /target: (raise|put)/ }],
    planted: unguardedBy('target', OWNER_KEY.toString()),
    breaks: 'acts after loss',
  },
  {
    what: 'what is brought back, not guarded by the marker',
    night: { before: ['cutover'], commands: ['rollback', 'rollback'], writes: 'always' },
    deviations: [
      { kinds: ['kill late'], before: /source: put .registry/ },
      { kinds: ['deliver'], before: /source: (put|delete) .registry/ },
    ],
    planted: unguardedBy('source', `${OWN_PREFIX}rollback`),
    breaks: 'acts after loss',
  },
  {
    what: 'what is brought back, not guarded at all',
    night: { before: ['cutover'], commands: ['rollback', 'rollback'], writes: 'always' },
    deviations: [{ kinds: ['kill late'], before: /source: (put|delete)/ }],
    planted: unguarded('source', PODS),
    breaks: 'lost',
  },
  {
    what: 'a retire whose claim is not guarded, and a rollback',
    night: { before: ['cutover'], commands: ['retire', 'rollback'], writes: 'always' },
    deviations: [{ kinds: ['switch'], before: /target: put .*owner/ }],
    planted: unguarded('target', OWNER_KEY.toString()),
    breaks: 'cannot be ended',
  },
  {
    what: 'a retire that ends without a guard, and another one',
    night: { before: ['cutover'], commands: ['retire', 'retire'], writes: 'always' },
    deviations: [{ kinds: ['switch'], before: /target: delete/ }],
    planted: unguarded('target', CURSOR_KEY.toString()),
    breaks: 'acts after loss',
  },
  {
    what: 'a freeze that is removed whoever has it now',
    night: { commands: ['cutover', 'rollback'], writes: 'always' },
    deviations: [{ kinds: ['switch'], before: /DELETE freeze/ }, { kinds: ['switch'] }],
    planted: { kube: unconditional },
    breaks: 'foreign thaw',
  },
  {
    what: 'a freeze that is not proven again, and `freeze remove`',
    night: { commands: ['cutover', 'freeze remove'], writes: 'once one has moved' },
    deviations: [{ kinds: ['switch'] }],
    plant: nothingProven,
    breaks: 'lost',
  },
  {
    what: 'a proof that nothing came late which does not wait',
    night: { commands: ['cutover'], writes: 'once taken over', watchDelayMs: 5000 },
    deviations: [{ kinds: ['land'] }],
    plant: neverWaits,
    breaks: 'lost',
  },
  {
    what: 'a rollback that asks for go, and does not look again',
    night: { before: ['cutover'], commands: ['rollback', 'rollback'], writes: 'always' },
    deviations: [{ kinds: ['switch'], before: /^go$/ }],
    planted: { ...unguarded('target', OWNER_KEY.toString()), looksOnce: true },
    breaks: 'lost',
  },
  {
    what: 'a rollback that begins though an apiserver is dead',
    night: { before: ['cutover'], commands: ['rollback'], writes: 'always' },
    deviations: [{ kinds: ['die'], before: /^go$/ }],
    planted: { answeredForDead: true },
    breaks: 'begun though one was dead',
  },
  {
    what: 'a rollback that takes no claim, and a cutover',
    night: { commands: ['cutover', 'rollback'], writes: 'always' },
    deviations: [{ kinds: ['switch'] }],
    plant: claimless,
    breaks: 'acts after loss',
  },
];

describe('the night, with bugs put in', () => {
  for (const { what, night, deviations, planted = {}, plant, breaks } of BUGS)
    it(`${what}: ${breaks}`, async () => {
      const found = async (scenario: Scenario) => {
        const exploration = new Exploration(scenario);
        await exploration.explore(deviations);
        return [...exploration.findings.keys()];
      };
      expect(await found(night), 'without it').to.deep.equal([]);
      const mend = plant?.();
      try {
        expect(await found({ ...night, planted }), 'with it').to.include(breaks);
      } finally {
        mend?.();
      }
    });
});
