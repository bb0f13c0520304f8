/** What tests of a night that goes wrong look at, by nothing of the code under test. */
import { whole, type Running } from '../cli/run.js';
import type { Etcd } from '../rig/etcd.js';
import type { Cluster } from './cluster.js';

const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
const FREEZE = 'etcd-lockstep-freeze';

/** Whether a command has begun this step, by its `-w json`. */
export function reached(name: string): (running: Pick<Running, 'stdout'>) => boolean {
  return ({ stdout }) =>
    whole(stdout).some((line) => (line as { step?: { name: string } }).step?.name === name);
}

/** Whether the object of a freeze stands. */
export async function frozen({ client }: Pick<Cluster, 'client'>): Promise<boolean> {
  const { items } = await client.list(WEBHOOKS);
  return items.some(({ metadata }) => metadata.name === FREEZE);
}

/** As it stands on the target; undefined: it was not taken over. */
export async function phaseOf(target: Etcd): Promise<string | undefined> {
  const value = await target.ctl('get', 'etcd-lockstep/cutover', '--print-value-only');
  return value === '' ? undefined : (JSON.parse(value) as { phase: string }).phase;
}
