import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

/** An etcd version as its binary says it: `3.5.16`. */
export type EtcdVersion = string;

/** The programs of one etcd version. */
export interface Binaries {
  readonly etcd: string;
  readonly etcdctl: string;
  /** Missing before 3.5, where etcdctl does its work. */
  readonly etcdutl: string | undefined;
  readonly version: EtcdVersion;
}

/** The first that is there is what tests run on when they don't care: 3.5 without known watch faults. */
const PREFERRED: EtcdVersion = '3.5.16';

/** The folder of package.json, also when this file runs from the build output. */
export function projectRoot(): string {
  let dir = import.meta.dirname;
  while (!existsSync(join(dir, 'package.json'))) {
    const up = dirname(dir);
    if (up === dir) throw new Error(`no package.json above ${import.meta.dirname}`);
    dir = up;
  }
  return dir;
}

const CACHE = join(projectRoot(), '.cache', 'etcd');

/** Whether this is a program that may be run. */
export function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Orders versions by number, so that 3.5.9 comes before 3.5.16. */
export function compareVersions(a: EtcdVersion, b: EtcdVersion): number {
  const [x, y] = [a.split('.').map(Number), b.split('.').map(Number)];
  for (let i = 0; i < Math.max(x.length, y.length); i++) {
    const d = (x[i] ?? 0) - (y[i] ?? 0);
    if (d !== 0) return d;
  }
  return 0;
}

function cached(version: EtcdVersion): Binaries | undefined {
  const at = (name: string): string => join(CACHE, version, name);
  if (!executable(at('etcd')) || !executable(at('etcdctl'))) return undefined;
  const etcdutl = executable(at('etcdutl')) ? at('etcdutl') : undefined;
  return { etcd: at('etcd'), etcdctl: at('etcdctl'), etcdutl, version };
}

function onPath(name: string): string | undefined {
  const dirs = (process.env['PATH'] ?? '').split(delimiter).filter((d) => d !== '');
  return dirs.map((d) => join(d, name)).find(executable);
}

let pathBinaries: Binaries | null | undefined;

/** What is installed on the machine, looked up once: asking it for its version starts a process. */
function installed(): Binaries | undefined {
  if (pathBinaries === undefined) {
    const [etcd, etcdctl] = [onPath('etcd'), onPath('etcdctl')];
    const said =
      etcd !== undefined && etcdctl !== undefined
        ? spawnSync(etcd, ['--version'], { encoding: 'utf8', env: cleanEnv() }).stdout
        : '';
    const version = /^etcd Version: (\S+)/m.exec(said)?.[1];
    pathBinaries =
      etcd !== undefined && etcdctl !== undefined && version !== undefined
        ? { etcd, etcdctl, etcdutl: onPath('etcdutl'), version }
        : null;
  }
  return pathBinaries ?? undefined;
}

/** The versions in the cache, oldest first; tests that should hold on each of them loop over this. */
export function versions(): EtcdVersion[] {
  if (!existsSync(CACHE)) return [];
  return readdirSync(CACHE)
    .filter((name) => /^\d+\.\d+\.\d+/.test(name) && cached(name) !== undefined)
    .sort(compareVersions);
}

function find(version: EtcdVersion): Binaries | undefined {
  const own = cached(version);
  if (own !== undefined) return own;
  const machine = installed();
  return machine?.version === version ? machine : undefined;
}

/** Whether this version can be started here. */
export function haveVersion(version: EtcdVersion): boolean {
  return find(version) !== undefined;
}

/** The newest version in the cache, or the machine's own when the cache is empty. */
export function newestVersion(): EtcdVersion {
  const newest = versions().at(-1) ?? installed()?.version;
  if (newest === undefined) throw new Error('no etcd here; run test/rig/get-etcd.sh');
  return newest;
}

/** 3.5.16, else the newest 3.5 in the cache, else what the machine has, else the newest of all. */
function defaultVersion(): EtcdVersion {
  const asked = process.env['ETCD_VERSION'];
  if (asked !== undefined && asked !== '') return asked;
  if (haveVersion(PREFERRED)) return PREFERRED;
  const any35 = versions().findLast((v) => v.startsWith('3.5.'));
  return any35 ?? installed()?.version ?? newestVersion();
}

/** The programs of a version, out of the cache or the PATH. */
export function binaries(version: EtcdVersion = defaultVersion()): Binaries {
  const found = find(version);
  if (found === undefined) {
    throw new Error(`no etcd ${version} here; run test/rig/get-etcd.sh ${version}`);
  }
  return found;
}

/**
 * The environment for etcd's programs. They read every flag from `ETCD_*` and
 * `ETCDCTL_*` too, so whatever the developer's shell has set must not reach them.
 */
export function cleanEnv(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^ETCD(CTL|UTL)?_/.test(name));
  return { ...Object.fromEntries(kept), ETCDCTL_API: '3' };
}

const acceptsNoFsync = new Map<string, boolean>();

/**
 * Whether `--unsafe-no-fsync` is known to this etcd. 3.4.23 has it but does not
 * list it in its help, so the binary is asked by using it.
 */
export function hasNoFsync(etcd: string): boolean {
  let has = acceptsNoFsync.get(etcd);
  if (has === undefined) {
    const run = spawnSync(etcd, ['--unsafe-no-fsync', '--version'], { env: cleanEnv() });
    has = run.status === 0;
    acceptsNoFsync.set(etcd, has);
  }
  return has;
}
