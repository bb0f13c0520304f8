/** Apiservers for a program in another process: they serve from the etcd that a script moves them to. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EtcdClient } from '../../src/wire/client.js';
import type { Stage } from '../cli/stage.js';
import { isFreeze, listedFrom } from '../cutover/servedfrom.js';
import { FakeApiServer, writeKubeconfig } from '../kube/fake.js';
import { FakeCluster } from '../kube/fakecluster.js';
import type { Certs } from '../rig/certs.js';
import type { Etcd } from '../rig/etcd.js';

const SERVERS = 2;

export interface NightBetween {
  source: string;
  kubeconfig: string;
  servers: string[];
  /** Moves the apiserver of its first argument; the second is the flag. */
  script: string;
  /** What the script was run with, line by line. */
  moved: () => string[];
  /** Waited for before the first write is refused. */
  atFreeze?: () => Promise<void>;
  close: () => void;
}

export async function nightBetween(
  stage: Stage,
  target: Etcd,
  certs: Certs,
): Promise<NightBetween> {
  const cluster = new FakeCluster('1.20.2');
  const fakes = await Promise.all(
    Array.from({ length: SERVERS }, () => FakeApiServer.start(certs, cluster)),
  );
  const there = new EtcdClient(target.endpoint, 'target');
  const [moves, script] = [join(stage.dir, 'moves'), join(stage.dir, 'move.sh')];
  writeFileSync(script, `#!/bin/sh\necho "$1 $2" >> ${moves}\n`);
  chmodSync(script, 0o755);
  const moved = () => (existsSync(moves) ? readFileSync(moves, 'utf8').trim().split('\n') : []);
  const servers = fakes.map(({ url }) => url);
  const night: NightBetween = {
    ...{ source: stage.source.endpoint, servers, script, moved },
    kubeconfig: writeKubeconfig(certs, servers[0]!),
    close: () => {
      for (const one of [...fakes, there]) one.close();
    },
  };
  for (const fake of fakes)
    fake.override = async (asked) => {
      if (isFreeze(asked)) await night.atFreeze?.();
      // Who goes back is run with an empty flag.
      const last = moved().findLast((line) => line.split(' ')[0] === fake.url);
      return listedFrom(last?.split(' ')[1] ? there : stage.client, asked);
    };
  return night;
}
