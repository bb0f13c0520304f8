/** The commands of the night, as the command line runs them, on one machine of the model. */
import { Cutover } from '../../src/cutover/cutover.js';
import { fenceAlone } from '../../src/cutover/fencealone.js';
import { retire } from '../../src/cutover/retire.js';
import type { OnNightEvent } from '../../src/cutover/nightevents.js';
import { Rollback } from '../../src/cutover/rollback.js';
import { LockstepError } from '../../src/errors.js';
import type { ApiServer } from '../../src/kube/api.js';
import { Freeze } from '../../src/kube/freeze.js';
import { freezeAll, thaw } from '../../src/kube/freezing.js';
import { freezeOwner } from '../../src/kube/owner.js';
import { PODS as PODS_RESOURCE } from '../../src/kube/resource.js';
import { EtcdTarget } from '../../src/target/target.js';
import type { EtcdClient } from '../../src/wire/client.js';
import type { Side } from './etcd.js';
import type { Process } from './process.js';

export type Command =
  'cutover' | 'rollback' | 'retire' | 'fence' | 'freeze apply' | 'freeze remove';

/** What a machine has, and whom it tells. */
export interface Machine {
  process: Process;
  /** In revisions. */
  margin: number;
  source: EtcdClient;
  target: EtcdClient;
  /** For the watch for late writes. */
  sourceWatch: EtcdClient;
  apiservers: readonly ApiServer[];
  /** Asks for the go; resolves when it is given. */
  ask: () => Promise<void>;
  /** Moves one; takes effect when it is its turn. */
  move: (url: string, to: Side, madeAt: number) => void;
  onNote: (note: string) => void;
  onAlarm: (alarm: string) => void;
}

const QUIET_MS = 20;
const MAX_FREEZE_SECONDS = 20;
/** By when somebody has let go of a fence that he keeps by hand. */
const FENCE_MS = 2000;
const nothing = () => undefined;

export async function run(command: Command, machine: Machine): Promise<void> {
  switch (command) {
    case 'cutover':
      await new Cutover({
        ...usual(machine, 'target'),
        sourceWatch: machine.sourceWatch,
        oldApiservers: [],
        maxFreezeSeconds: MAX_FREEZE_SECONDS,
      }).run();
      return;
    case 'rollback':
      await new Rollback(usual(machine, 'source')).run();
      return;
    case 'retire':
      await retire({
        ...usual(machine, 'source'),
        watchSeconds: 0,
        rate: 1000,
        go: async () => {
          await machine.ask();
          return true;
        },
      });
      return;
    case 'fence':
      await keepFence(machine);
      return;
    case 'freeze apply':
      await applyByHand(machine);
      return;
    case 'freeze remove':
      await removeByHand(machine);
  }
}

function usual(machine: Machine, to: Side) {
  const { process, source, target, apiservers, onNote } = machine;
  return {
    ...{ source, target, apiservers, without: [], onNote, onEvent: alarms(machine) },
    resources: undefined,
    margin: machine.margin,
    quietMs: QUIET_MS,
    watchSeconds: 0,
    go: machine.ask,
    switchHook: ({ url }: ApiServer) => {
      const madeAt = process.step();
      return process.call('hook', `hook ${new URL(url).hostname} to ${to}`, true, () => {
        machine.move(url, to, madeAt);
      });
    },
    ...{ onProgress: nothing, onMustGoOn: nothing },
    signal: process.abort.signal,
  };
}

function alarms({ onAlarm }: Machine): OnNightEvent {
  return (event) => {
    if (event.kind === 'alarm') onAlarm(event.alarm);
  };
}

async function keepFence(machine: Machine): Promise<void> {
  const { process, source, target, onNote } = machine;
  const timer = setTimeout(() => {
    process.abort.abort();
  }, FENCE_MS);
  await fenceAlone({
    ...{ source, target, onNote },
    ...{
      margin: machine.margin,
      quietMs: QUIET_MS,
      maxFreezeSeconds: MAX_FREEZE_SECONDS,
      once: false,
    },
    go: machine.ask,
    ...{ onRaised: nothing, onEvent: alarms(machine), onMustGoOn: nothing },
    signal: process.abort.signal,
  });
  clearTimeout(timer);
}

/**
 * As the runbook says: not where the target was taken over. Nothing comes between the look and the
 * removal, for who looks first and removes a minute later is beyond help.
 */
async function removeByHand({ process, target, apiservers, onNote }: Machine): Promise<void> {
  const { cutover } = await new EtcdTarget(target).read();
  if (cutover) throw new LockstepError('TARGET_CUT_OVER', 'status says CUT OVER: no freeze remove');
  process.inOneGo = true;
  const { signal } = process.abort;
  await thaw(await Freeze.find(apiservers), {
    ...{ apiservers, onNote, signal },
    resources: [PODS_RESOURCE],
  });
}

async function applyByHand({ process, apiservers, onNote }: Machine): Promise<void> {
  const { signal } = process.abort;
  const options = { ...{ apiservers, onNote, signal }, resources: [PODS_RESOURCE] };
  await freezeAll(options, freezeOwner('freeze apply'), await Freeze.find(apiservers));
}
