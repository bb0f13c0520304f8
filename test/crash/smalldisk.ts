/**
 * A small disk of our own, without touching the machine's mounts: a tmpfs in the mount namespace of a
 * process that does nothing else, reached through /proc. It is gone when that process is.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const AT = '/mnt';
/** Room for the tests' own files, so that giving room is one deletion. */
const BALLAST = 'ballast';

/** As root, or as anybody where the kernel lets everybody make namespaces. */
const WAYS = [['-Urm'], ['-m']];

const holders = new Set<ChildProcess>();
process.once('exit', () => {
  for (const holder of holders) holder.kill('SIGKILL');
});

export class SmallDisk {
  private constructor(
    private readonly holder: ChildProcess,
    readonly path: string,
  ) {}

  /** undefined where the machine does not let us. */
  static async mount(megabytes: number): Promise<SmallDisk | undefined> {
    const works = (way: string[]) =>
      spawnSync('unshare', [...way, 'sh', '-c', mount(1)]).status === 0;
    const way = WAYS.find(works);
    if (!way) return undefined;
    // exec: the process that we start is the one that holds the namespace, and the one that we end.
    const script = `${mount(megabytes)} && echo ready && exec sleep 600`;
    const holder = spawn('unshare', [...way, 'sh', '-c', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    holders.add(holder);
    await once(holder.stdout, 'data');
    return new SmallDisk(holder, `/proc/${holder.pid ?? 0}/root${AT}`);
  }

  /** Fills it up to so many bytes. */
  leave(bytes: number): void {
    rmSync(join(this.path, BALLAST), { force: true });
    const { bavail, bsize } = statfsSync(this.path);
    writeFileSync(join(this.path, BALLAST), Buffer.alloc(bavail * bsize - bytes));
  }

  makeRoom(): void {
    rmSync(join(this.path, BALLAST));
  }

  async unmount(): Promise<void> {
    this.holder.kill('SIGKILL');
    holders.delete(this.holder);
    if (this.holder.exitCode === null && this.holder.signalCode === null)
      await once(this.holder, 'exit');
  }
}

function mount(megabytes: number): string {
  return `mount -t tmpfs -o size=${megabytes}m tmpfs ${AT}`;
}
