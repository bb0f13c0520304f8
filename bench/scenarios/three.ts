/** The same backlog into a target of three members, on the same disk and cores: by proposals and by transactions. */
import { EtcdClient } from '../../src/wire/client.js';
import { EtcdCluster } from '../../test/rig/cluster.js';
import { backlog, type Backlog } from '../kit/backlog.js';
import { Follow } from '../kit/commands.js';
import { SERVER_FLAGS } from '../kit/etcds.js';
import { inFolder, say } from '../kit/place.js';
import { headRate } from '../kit/rate.js';
import { Figures, percentile, type Row } from '../kit/result.js';
import type { Bench } from '../kit/scenario.js';

const HISTORY = { keys: 2000, revisions: 10_000, share: 100 };
const MOST_SECONDS = 10;

export async function threeScenario(bench: Bench): Promise<Row[]> {
  const figures = new Figures();
  await inFolder(async (folder) => {
    say('three members');
    const waiting = await backlog(bench, folder, HISTORY, () => Promise.resolve());
    for (let i = 0; i < bench.runs; i++) {
      figures.ours.push(await rateInto(waiting, ['--dest-peers', 'members'], figures));
      figures.theirs.push(await rateInto(waiting, [], figures));
    }
    await waiting.source.remove();
  });
  return [
    {
      ...{ scenario: 'three', what: '100 % ours, three members', unit: 'rev/s' },
      ...{ ours: figures.ours, against: 'ours by transactions', theirs: figures.theirs },
      ...{ ratio: 'share', goal: { atLeast: 3 }, parts: figures.parts },
    },
  ];
}

async function rateInto(
  { folder, source, base, journal, head }: Backlog,
  more: readonly string[],
  figures: Figures,
): Promise<number> {
  const cluster = await EtcdCluster.startFromSnapshot(base, { size: 3, args: SERVER_FLAGS });
  const client = new EtcdClient({ endpoints: cluster.endpoints }, 'target');
  const program = Follow.start(folder, journal, source.endpoint, cluster.endpoint, more);
  const target = { head: async () => (await client.head()).revision };
  const { rate, readMs } = await headRate(target, head, MOST_SECONDS, () => {
    program.check();
  });
  const by = more.length > 0 ? 'proposals' : 'transactions';
  figures.part(`a read of somebody else meanwhile ms, by ${by}`, percentile(readMs, 0.5));
  await program.end();
  client.close();
  await cluster.remove();
  return rate;
}
