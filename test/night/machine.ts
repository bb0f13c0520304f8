/** A machine on which a command runs: its view of the world, held against the rules. */
import { SimulatedApiServer } from './apiserver.js';
import type { Machine } from './commands.js';
import { SimulatedEtcd, type Side, type Txn } from './etcd.js';
import type { KubeRequest } from './kube.js';
import type { Rules, Run } from './rules.js';
import type { World } from './world.js';

/** A bug that is put in, to see that it is found. */
export interface Planted {
  /** What becomes of a transaction before it takes effect. */
  txn?: (request: Txn, side: Side) => Txn;
  /** When it looks at all that is ours for the second time it sees what it has seen the first time. */
  looksOnce?: boolean;
  /** What becomes of a request to Kubernetes. */
  kube?: (request: KubeRequest) => KubeRequest;
  /** Instead of a margin that holds. */
  margin?: number;
  /** Apiservers refuse probes by our name as soon as there is a freeze, and what is meant later. */
  refusesProbes?: boolean;
  /** Where one is dead another answers, as a load balancer has it. */
  answeredForDead?: boolean;
}

export interface MachineOptions {
  /** How much later the watch for late writes sees things, in ms. */
  watchDelayMs?: number;
  planted?: Planted;
}

/** Above what is written in the longest night here, and few enough to be written quickly. */
const MARGIN = 60;

/**
 * @param tell gets every line that it prints
 * @param onHook told of a hook that is carried out, with the step before which it was sent for
 */
export function machineFor(
  run: Run,
  world: World,
  rules: Rules,
  { watchDelayMs = 0, planted = {} }: MachineOptions,
  tell: (line: string) => void,
  onHook: (to: Side, madeAt: number) => void,
): Machine {
  const { process } = run;
  const etcd = (side: Side, delayMs = 0) =>
    new SimulatedEtcd(process, world.cluster.stores[side], side, {
      watchDelayMs: delayMs,
      planted,
      onTxn: (request) => {
        rules.onTxn(run, side, request);
      },
    });
  return {
    process,
    margin: planted.margin ?? MARGIN,
    source: etcd('source'),
    target: etcd('target'),
    sourceWatch: etcd('source', watchDelayMs),
    apiservers: world.named.map(
      (server) =>
        new SimulatedApiServer(process, server, planted, (request) => {
          rules.onKube(run, request);
        }),
    ),
    ask: () =>
      process.call('prompt', 'go', true, () => {
        run.deadAtGo = world.named.filter(({ down }) => down !== undefined);
      }),
    move: (url, to, madeAt) => {
      const server = world.cluster.servers.find((one) => one.url === url);
      if (!server) throw new Error(`there is no ${url}`);
      onHook(to, madeAt);
      rules.onHook(run, `moves ${server.name} to the ${to}`, madeAt);
      world.move(server, to);
    },
    onNote: tell,
    onAlarm: (line) => {
      tell(`ALARM: ${line}`);
    },
  };
}
