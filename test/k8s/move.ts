/** Pods on their way to an etcd of their own, by the commands that an operator runs. */
import { Running, whole, type Ended } from '../cli/run.js';
import { liveAt, rowsOf } from '../oracle/rows.js';
import type { Etcd } from '../rig/etcd.js';
import type { ApiServer } from './apiserver.js';
import { Hook, type Asked } from './hook.js';
import { Lockstep, PREFIX } from './lockstep.js';
import type { Scene } from './scene.js';
import { until } from './until.js';

/** Apiservers restart meanwhile, on a machine that is busy. */
const COMMAND_WITHIN_MS = 240_000;

export type Command = 'cutover' | 'rollback' | 'retire';

export interface CommandOptions {
  /** More flags; they win. */
  readonly flags?: readonly string[];
  /** Where it dies, as by a `kill -9`. */
  readonly dies?: string;
  /** Default: all of the cluster. */
  readonly apiservers?: readonly ApiServer[];
  /** A cutover goes on as the reverse when it is done. */
  readonly reverse?: boolean;
}

export class Move {
  private constructor(
    readonly scene: Scene,
    readonly lockstep: Lockstep,
    /** Restarts the apiserver that it is asked to, with the overrides that it is told. */
    readonly hook: Hook,
  ) {}

  /**
   * Returns when the target is in lockstep.
   * @param flags more of the follower
   * @param prefixes those of the pods where nothing is given
   */
  static async begin(
    scene: Scene,
    flags: readonly string[] = [],
    prefixes?: readonly string[],
  ): Promise<Move> {
    const hook = await Hook.on((asked) => moveApiserver(scene, asked));
    const { etcd } = scene.cluster;
    return new Move(scene, await Lockstep.start(etcd, undefined, prefixes, flags), hook);
  }

  async end(): Promise<void> {
    this.hook.close();
    await this.lockstep.remove();
  }

  /** `-w json`, and without asking. */
  start(command: Command, options: CommandOptions = {}): Running {
    const { flags = [], dies, apiservers, reverse = false } = options;
    const args = [command, ...this.#at(apiservers), '--watch', '1', '-w', 'json', ...flags];
    const env = { ...dying(dies), LOCKSTEP_NO_REVERSE: String(!reverse) };
    return new Running(args, env, COMMAND_WITHIN_MS);
  }

  /** `follow --reverse`, without asking. */
  reverse({ dies }: Pick<CommandOptions, 'dies'> = {}): Running {
    const args = ['follow', '--reverse', ...this.#at(), '--yes', '-w', 'json'];
    return new Running(args, dying(dies), COMMAND_WITHIN_MS);
  }

  #at(apiservers: readonly ApiServer[] = this.scene.cluster.apiservers): string[] {
    const { source, target } = this.lockstep;
    return [
      ...['--endpoints', source.endpoint, '--dest-endpoints', target.endpoint],
      ...['--kubeconfig', this.scene.cluster.kubeconfig],
      ...['--apiservers', apiservers.map(({ url }) => url).join(',')],
    ];
  }

  /** The same to its end, with go and with the hook. */
  async run(command: Command, options: CommandOptions = {}): Promise<Ended> {
    const hook = command === 'retire' ? [] : ['--switch-hook', this.hook.command];
    const flags = ['--yes', ...hook, ...(options.flags ?? [])];
    return this.start(command, { ...options, flags }).ended;
  }
}

function dying(dies: string | undefined): Record<string, string> {
  return dies === undefined ? {} : { LOCKSTEP_FAILPOINT: dies };
}

/**
 * What a switch hook is asked for: the apiserver is restarted with these overrides, but in a rehearsal. While it
 * is away, two clients list: one by a cache, one as `kubectl get` does.
 */
export async function moveApiserver(
  scene: Scene,
  { apiserver: url, overrides, rehearsal }: Asked,
): Promise<void> {
  if (rehearsal) return;
  const { cluster } = scene;
  const apiserver = cluster.named(url);
  cluster.without(apiserver);
  await listNow(scene, `before ${apiserver.host} moved`);
  const flags = overrides === '' ? [] : [`--etcd-servers-overrides=${overrides}`];
  await cluster.restart(apiserver, flags);
}

/** Two more clients, which have listed when this returns. */
export async function listNow(scene: Scene, when: string): Promise<void> {
  const n = scene.informers.size;
  const newest = scene.informer(`${n}: newest, ${when}`, { newest: true });
  const cached = scene.informer(`${n}: cached, ${when}`);
  await until('lists', () => newest.lists > 0 && cached.lists > 0);
}

/** The last object of a command's stdout: its report. */
export function reportOf({ code, stdout, stderr }: Ended): unknown {
  const last = whole(stdout).at(-1);
  if (last === undefined) throw new Error(`ended with ${code ?? '?'} and no report:\n${stderr}`);
  return last;
}

/** The rows of the pods' keys in an etcd as they were at a revision, out of its own file. */
export async function podRows(etcd: Etcd, revision = Infinity): Promise<string[]> {
  const { rows } = await rowsOf(etcd, [PREFIX]);
  return liveAt(rows, revision).map(({ bytes }) => bytes.toString('latin1'));
}
