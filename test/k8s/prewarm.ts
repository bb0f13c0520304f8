import { freePorts } from '../rig/ports.js';
import { ApiServer, overridesFlag } from './apiserver.js';
import type { Cluster } from './cluster.js';

/** Apiservers beside a cluster's own, with these overrides; they are the caller's to end. */
export async function prewarm(
  cluster: Cluster,
  ...overrides: readonly string[]
): Promise<ApiServer[]> {
  const [port] = await freePorts(1);
  // Their compactor would be a second writer of a target that is in lockstep.
  const args = [overridesFlag(...overrides), '--etcd-compaction-interval=0'];
  const warm = cluster.apiservers.map(({ host }, i) => {
    const at = { etcd: cluster.etcd.endpoint, host, port: port! };
    return new ApiServer(cluster.pki, `warm-${i}`, { ...at, args });
  });
  await Promise.all(warm.map((one) => one.ready()));
  return warm;
}

/** Takes all clients to these, and ends those that were there before: nobody waits for them. */
export async function flipTo(cluster: Cluster, warm: readonly ApiServer[]): Promise<void> {
  cluster.use(...warm);
  await Promise.all(cluster.apiservers.map((old) => old.kill()));
}
