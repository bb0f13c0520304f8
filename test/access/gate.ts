/** An etcd that does not let everybody in, and what it takes to be let in. */
import { ROOT } from '../rig/auth.js';
import type { Etcd } from '../rig/etcd.js';

/** The flags of one side without what sets the sides apart: `cacert`, `user`, … */
export type Access = Readonly<Record<string, string>>;

export type SideName = 'source' | 'target';

/** `--cacert` or `--dest-cacert`, as it is called on this side. */
export function flagName(side: SideName, name: string): string {
  return side === 'source' ? `--${name}` : `--dest-${name}`;
}

/** `LOCKSTEP_CACERT` or `LOCKSTEP_DEST_CACERT`. */
export function variableName(side: SideName, name: string): string {
  const dest = side === 'source' ? '' : 'DEST_';
  return `LOCKSTEP_${dest}${name.toUpperCase().replaceAll('-', '_')}`;
}

export function flagsOf(side: SideName, access: Access): string[] {
  return Object.entries(access).flatMap(([name, value]) => [flagName(side, name), value]);
}

export function variablesOf(side: SideName, access: Access): Record<string, string> {
  return Object.fromEntries(
    Object.entries(access).map(([name, value]) => [variableName(side, name), value]),
  );
}

/** The rig's own way in: as root where authentication is on. */
export class Gate {
  authOn = false;

  constructor(readonly etcd: Etcd) {}

  async ctl(...args: string[]): Promise<string> {
    return this.authOn ? this.etcd.ctlAs(ROOT, ...args) : this.etcd.ctl(...args);
  }

  /** Puts one key; returns its revision. */
  async put(key: string, value = 'v', ...more: string[]): Promise<number> {
    return headIn(await this.ctl('put', key, value, '-w', 'json', ...more));
  }

  async head(): Promise<number> {
    return headIn(await this.ctl('get', 'x', '-w', 'json'));
  }

  /** Grants a lease; returns its id as etcdctl takes it. */
  async lease(ttlSeconds: number): Promise<string> {
    return (await this.ctl('lease', 'grant', String(ttlSeconds))).split(' ')[1] ?? '';
  }

  /** All that is there: a store in which nothing has changed has the same. */
  async everything(): Promise<string> {
    const [keys, leases] = await Promise.all([
      this.ctl('get', '', '--from-key', '-w', 'json'),
      this.ctl('lease', 'list', '-w', 'json'),
    ]);
    const { header, kvs } = JSON.parse(keys) as { header: { revision: number }; kvs?: unknown };
    return JSON.stringify([
      header.revision,
      kvs,
      (JSON.parse(leases) as { leases?: unknown }).leases,
    ]);
  }
}

function headIn(answer: string): number {
  return (JSON.parse(answer) as { header: { revision: number } }).header.revision;
}
