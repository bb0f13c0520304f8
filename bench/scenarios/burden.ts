/**
 * What a seed costs those who write to the source meanwhile: three members, writes to the leader at a steady
 * rate, and the base read from the leader or from a follower, by pages or as a snapshot. All of it, the three
 * members and the seed, shares this machine's cores; what is left of a difference is the member's own work.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EtcdClient } from '../../src/wire/client.js';
import { EtcdCluster } from '../../test/rig/cluster.js';
import type { Etcd } from '../../test/rig/etcd.js';
import { lockstep } from '../kit/commands.js';
import { foreignKey, PODS } from '../kit/data.js';
import { SERVER_FLAGS } from '../kit/etcds.js';
import { put } from '../kit/load.js';
import { Paced } from '../kit/paced.js';
import { inFolder, say } from '../kit/place.js';
import { Figures, percentile, type Row } from '../kit/result.js';
import { keysText, type Bench } from '../kit/scenario.js';
import { cpuSeconds } from '../kit/usage.js';

const KEYS = 100_000;
const PER_SECOND = 100;
const CALM_MS = 10_000;
const WHOM = ['leader', 'follower'] as const;
const FROM = ['range', 'snapshot'] as const;

export async function burdenScenario(bench: Bench): Promise<Row[]> {
  say('three members');
  const snapshot = await bench.snapshot(KEYS);
  const cluster = await EtcdCluster.startFromSnapshot(snapshot, { size: 3, args: SERVER_FLAGS });
  const leader = await cluster.leader();
  const [follower = leader] = await cluster.followers();
  const members = { leader, follower };
  const client = new EtcdClient(leader.endpoint, 'source');
  const writes = new Paced(PER_SECOND, (i) =>
    put(client, foreignKey(i % KEYS), bench.values.value(4e7 + i)),
  );
  const found = new Map<string, Figures>();
  for (let i = 0; i < bench.runs; i++)
    for (const whom of WHOM)
      for (const from of FROM) {
        const what = `\`--from ${from}\`, of the ${whom}`;
        const figures = found.get(what) ?? new Figures();
        found.set(what, figures);
        writes.take();
        await sleep(CALM_MS);
        figures.theirs.push(percentile(writes.take(), 0.99));
        await seedBeside(members, members[whom], from, figures);
        const ms = writes.take();
        figures.ours.push(percentile(ms, 0.99));
        figures.part('median of the writes ms', percentile(ms, 0.5));
      }
  await writes.end();
  client.close();
  await cluster.remove();
  return [...found].map(([what, { ours, theirs, parts }]) => ({
    ...{ scenario: 'burden', what: `${keysText(KEYS)}, ${what}: p99 of writes`, unit: 'ms' },
    ...{ ours, against: 'without a seed', theirs, ratio: 'share', parts },
  }));
}

async function seedBeside(
  members: Record<(typeof WHOM)[number], Etcd>,
  member: Etcd,
  from: string,
  figures: Figures,
): Promise<void> {
  const used = () => WHOM.map((name) => cpuSeconds(members[name].pid) ?? 0);
  const before = used();
  await inFolder(async (folder) => {
    const { usage } = await lockstep(folder, [
      ...['seed', '--endpoints', member.endpoint, '--prefix', PODS, '--from', from],
      ...['--journal', join(folder, 'journal'), '--out', join(folder, 'base.db')],
    ]);
    figures.part('seed s', usage.seconds);
  });
  for (const [i, after] of used().entries())
    figures.part(`CPU of the ${WHOM[i] ?? ''} s`, after - (before[i] ?? 0));
}
