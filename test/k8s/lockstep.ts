import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../cli/run.js';
import { FollowProcess } from '../faults/follower.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { Etcd, type EtcdOptions } from '../rig/etcd.js';

export const PREFIX = '/registry/pods/';
/** Writers, control plane and follower share a machine that is busy; it gains on them slowly. */
const NEAR_WITHIN_MS = 240_000;

async function near(follower: FollowProcess): Promise<void> {
  const withinMs = NEAR_WITHIN_MS;
  await follower.until('near', ({ state }) => state === 'in lockstep', { withinMs });
}

/** A target that follows the pods of a source in lockstep, by the commands that an operator runs. */
export class Lockstep {
  private constructor(
    readonly source: Etcd,
    readonly target: Etcd,
    public follower: FollowProcess,
    readonly journal: string,
    readonly dir: string,
    /** More of the follower. */
    readonly flags: readonly string[],
  ) {}

  /** Seeds, restores, follows; returns when the target has once been where the source was. */
  static async start(
    source: Etcd,
    options?: EtcdOptions,
    prefixes: readonly string[] = [PREFIX],
    flags: readonly string[] = [],
  ): Promise<Lockstep> {
    const dir = mkdtempSync(join(tmpdir(), 'kube-lockstep-'));
    removeAtExit(dir);
    const [journal, base] = [join(dir, 'pods.journal'), join(dir, 'base.db')];
    const named = prefixes.flatMap((prefix) => ['--prefix', prefix]);
    const what = ['--endpoints', source.endpoint, ...named];
    const { code, stderr } = await run([
      'seed',
      '--allow-empty',
      ...what,
      '--journal',
      journal,
      '--out',
      base,
    ]);
    if (code !== 0) throw new Error(`seed ended with ${code ?? '?'}:\n${stderr}`);
    const target = await Etcd.startFromSnapshot(base, options);
    const ends = { source: source.endpoint, target: target.endpoint, journal };
    const follower = new FollowProcess(ends, ...flags);
    await near(follower);
    return new Lockstep(source, target, follower, journal, dir, flags);
  }

  /** A follower again, after the one before has ended; returns when it is where the source is. */
  async follow(): Promise<void> {
    const { source, target, journal } = this;
    const ends = { source: source.endpoint, target: target.endpoint, journal };
    this.follower = new FollowProcess(ends, ...this.flags);
    await near(this.follower);
  }

  /** Ends the follower once the target is where the source is now. */
  async drain(): Promise<void> {
    await this.follower.stop();
    const ends = ['--endpoints', this.source.endpoint, '--dest-endpoints', this.target.endpoint];
    const args = ['follow', ...ends, '--journal', this.journal, '--until-synced'];
    const { code, stderr } = await run(args);
    if (code !== 0)
      throw new Error(`follow ended with ${code ?? '?'}:
${stderr}`);
  }

  /** Whatever state they are in. */
  async remove(): Promise<void> {
    await this.follower.kill();
    await this.target.remove();
    removeFolder(this.dir);
  }
}
