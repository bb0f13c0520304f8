/** The least roles: with what docs/access.md grants everything goes, with anything less nothing does. */
import { expect } from 'chai';
import * as contract from '../cli/contract.js';
import { errorOf, run, whole } from '../cli/run.js';
import { eventually } from '../cli/stage.js';
import { Etcd, haveVersion } from '../rig/etcd.js';
import { Gate } from './gate.js';
import { Journey, PODS, succeeded } from './journey.js';
import { commandIf, commandsFor, lock, USER } from './rights.js';

const OLD_SOURCE = commandIf('a source below');
const OLD_TARGET = commandIf('`audit --history` with a target below');
const ROOT_COMPACTS = commandIf('a target of a newer version');
const SEVERAL = commandIf('several prefixes');
const FROM_SNAPSHOT = commandIf('`seed --from snapshot`');

/** What each version needs beyond the least. */
const VERSIONS: { version: string; source: string[][]; target: string[][] }[] = [
  { version: '3.4.23', source: [OLD_SOURCE], target: [OLD_TARGET] },
  { version: '3.5.16', source: [], target: [] },
  { version: '3.5.30', source: [], target: [ROOT_COMPACTS] },
];

describe('access: the least roles', () => {
  let journey: Journey | undefined;
  afterEach(async () => {
    await journey?.end();
    journey = undefined;
  });

  /** Both sides locked, seeded and restored; a pod with a lease before and one after the seed. */
  async function locked(
    version: string,
    more: { source: string[][]; target: string[][] },
  ): Promise<Journey> {
    journey = await Journey.start({ version });
    const { source } = journey;
    // The lease in the base is found on the target, the later one is granted there.
    const leased = async () => `--lease=${await source.lease(600)}`;
    await source.put(`${PODS}leased`, 'v', await leased());
    const later = await leased();
    await lock(source, [...commandsFor('source'), ...more.source]);
    journey.ways = { source: { ...journey.ways.source, ...USER }, target: USER };
    await journey.seed();
    await source.put(`${PODS}leased-later`, 'v', later);
    await lock(await journey.restore({ version }), [...commandsFor('target'), ...more.target]);
    return journey;
  }

  for (const { version, ...more } of VERSIONS)
    it(`${version}: they are enough, for plan, leases, compaction, follow --audit-every, audit --history and fence too`, async function () {
      if (!haveVersion(version)) this.skip();
      const there = await locked(version, more);
      const follower = await there.following('--audit-every', '1s');
      await follower.line(contract.follow, ({ audits }) => audits[0]?.result === 'equal');
      await there.source.ctl('compact', String((await there.source.head()) - 1));
      const last = await there.source.put(`${PODS}b`);
      await eventually(() => reached(there.target, last));
      await eventually(async () => compacted(there.target));
      follower.signal('SIGTERM');
      succeeded(await follower.ended);
      await there.arrive();
      await planGoes(there);
      const fenced = succeeded(await there.run(there.fenceArgs()));
      contract.fence.parse(whole(fenced.stdout)[0]);
    });

  it('the blocks of one etcd can be pasted one after the other', async () => {
    const blocks = [
      ['source', 'mirror source', 'rollback source'] as const,
      ['target', 'mirror target'] as const,
    ];
    for (const block of blocks) {
      const etcd = await Etcd.start();
      try {
        await lock(new Gate(etcd), block.flatMap(commandsFor));
      } finally {
        await etcd.remove();
      }
    }
  });

  it("plan of a target that is empty, or somebody else's: not known, and no stop", async () => {
    journey = await Journey.start();
    await lock(journey.source, commandsFor('source'));
    const target = await Etcd.start();
    try {
      await lock(new Gate(target), commandsFor('target'));
      journey.ways = {
        source: { ...journey.ways.source, ...USER },
        target: { endpoints: target.endpoint, ...USER },
      };
      const checks = await planGoes(journey);
      expect(checks.get('target stock')?.message).to.contain('is not known');
    } finally {
      await target.remove();
    }
  });

  it('a source that is less open refuses, and the error names what is missing', async () => {
    const there = await locked('3.5.16', { source: [], target: [] });
    await there.source.ctl('role', 'revoke-permission', 'lockstep-source', PODS, '--prefix');
    for (const args of [
      [...there.seedArgs().slice(0, -1), `${there.base}-2`],
      there.followArgs(),
      there.auditArgs(),
      there.statusArgs(),
      there.planArgs(),
    ])
      await denied(args, /source .*permission denied: reading \/registry\/pods\//);
  });

  it('seed --from snapshot is for root', async () => {
    journey = await Journey.start();
    await lock(journey.source, commandsFor('source'));
    journey.ways = { ...journey.ways, source: { ...journey.ways.source, ...USER } };
    const args = [...journey.seedArgs(), '--from', 'snapshot'];
    await denied(args, /source .*permission denied: taking a snapshot needs the role root/);
    await journey.source.ctl(...FROM_SNAPSHOT);
    await journey.seed('--from', 'snapshot');
  });

  it('several prefixes: their hull is watched', async () => {
    const prefixes = ['/registry/leases/', PODS];
    journey = await Journey.start({}, prefixes);
    const one = commandsFor('source')[1]!.map((arg) => (arg === PODS ? prefixes[0]! : arg));
    await lock(journey.source, [...commandsFor('source'), one]);
    journey.ways = { ...journey.ways, source: { ...journey.ways.source, ...USER } };
    await denied(
      journey.seedArgs(),
      /source .*permission denied: reading \/registry\/leases\/ to \/registry\/pods0/,
    );
    await journey.source.ctl(...SEVERAL);
    await journey.seed();
  });

  it('a target that is less open ends the follower, and nothing wrong is written', async () => {
    const there = await locked('3.5.16', { source: [], target: [] });
    const grants = commandsFor('target').filter(([, verb]) => verb === 'grant-permission');
    const least = grants.flatMap(([, , role = '', , key = '']) =>
      ['read', 'write', undefined].map((kind) => ({ role, key, kind })),
    );
    for (const { role, key, kind } of least) {
      await there.target.ctl('role', 'revoke-permission', role, key, '--prefix');
      if (kind) await there.target.ctl('role', 'grant-permission', role, kind, key, '--prefix');
      await there.source.put(`${PODS}next`, `${key} ${kind ?? ''}`);
      await denied(there.followArgs(), NAMED[key]![kind ?? 'nothing']!);
      if (kind) await there.target.ctl('role', 'revoke-permission', role, key, '--prefix');
      await there.target.ctl('role', 'grant-permission', role, 'readwrite', key, '--prefix');
    }
    await there.catchUp();
  });

  it('3.5.30, where only root may compact: without it the follower says so and goes on', async function () {
    if (!haveVersion('3.5.30')) this.skip();
    const there = await locked('3.5.30', { source: [], target: [] });
    await there.source.ctl('compact', String(await there.source.head()));
    const follower = await there.following();
    const refused = await follower.line(contract.follow, ({ trouble }) => trouble !== null);
    expect(refused.trouble?.code).to.equal('PERMISSION');
    expect(refused.compactRevision).to.equal(0);
    const next = await there.source.put(`${PODS}next`, 'all the same');
    await follower.line(contract.follow, ({ position }) => position === next);
    await there.target.ctl(...ROOT_COMPACTS);
    const again = await there.source.head();
    await there.source.ctl('compact', String(again));
    await follower.line(contract.follow, ({ compactRevision }) => compactRevision === again);
    follower.signal('SIGTERM');
    const { code, stderr } = await follower.ended;
    expect(code, stderr).to.equal(0);
    expect(stderr.match(/compacting needs the role root/g)).to.have.lengthOf(1);
    await there.catchUp();
  });
});

/** With --prefix and without: what its user may not see is in the way of nothing. */
async function planGoes(there: Journey): Promise<Map<string, { message: string }>> {
  const args = there.planArgs();
  const named = succeeded(await there.run([...args, '--prefix', PODS]));
  const plans = [named, succeeded(await there.run(args))].map(({ stdout }) =>
    contract.plan.parse(whole(stdout)[0]),
  );
  for (const { prefixes, contents, stop } of plans) {
    expect(prefixes).to.deep.equal([PODS]);
    expect(contents.keys).to.be.greaterThan(0);
    expect(stop).to.equal(false);
  }
  return new Map(plans[0]!.checks.map((check) => [check.check, check]));
}

/** By key of the target, and what is left of its permission: what the error names. */
const NAMED: Record<string, Record<string, RegExp>> = {
  [PODS]: {
    read: /target .*permission denied: .*writing .*\/registry\/pods\//,
    write: /target .*permission denied: .*(lease|reading)/,
    nothing: /target .*permission denied: .*(lease|writing .*\/registry\/pods\/)/,
  },
  'etcd-lockstep/': {
    read: /target .*permission denied: .*writing .*etcd-lockstep\//,
    write: /target .*permission denied: reading etcd-lockstep\//,
    nothing: /target .*permission denied: reading etcd-lockstep\//,
  },
};

async function denied(args: readonly string[], says: RegExp): Promise<void> {
  const ended = await run(args.includes('-w') ? args : [...args, '-w', 'json']);
  expect(ended.code, ended.stderr).to.equal(5);
  const { code, message, hint } = errorOf(ended);
  expect(code).to.equal('PERMISSION');
  expect(message).to.match(says);
  expect(hint).to.contain('docs/access.md');
}

async function reached(gate: Gate, revision: number): Promise<boolean> {
  return (await gate.head()) >= revision;
}

async function compacted(gate: Gate): Promise<boolean> {
  return gate.ctl('get', 'x', '--rev=1').then(
    () => false,
    (error: unknown) => String(error).includes('compacted'),
  );
}
