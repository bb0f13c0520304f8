import type { Login } from './etcd.js';

/** What a role may do, with etcd's own names for it. */
export interface Permission {
  readonly kind: 'read' | 'write' | 'readwrite';
  readonly key: string;
  /** All keys that begin with `key`. */
  readonly prefix?: true;
  /** All keys from `key` on; with an empty key, all there are. */
  readonly fromKey?: true;
}

export interface Role {
  readonly name: string;
  readonly permissions: readonly Permission[];
}

export interface User {
  readonly name: string;
  /** Without one, only a client certificate with this common name is the user. */
  readonly password?: string;
  readonly roles: readonly Role[];
}

/** May do everything; `enableAuth` makes it. */
export const ROOT: Login = { name: 'root', password: 'root' };

/** An etcd or a cluster: what etcdctl can be run against. */
interface Ctl {
  ctl(...args: string[]): Promise<string>;
}

async function addRole(etcd: Ctl, { name, permissions }: Role): Promise<void> {
  await etcd.ctl('role', 'add', name);
  for (const { kind, key, prefix, fromKey } of permissions) {
    const range = [...(prefix ? ['--prefix'] : []), ...(fromKey ? ['--from-key'] : [])];
    await etcd.ctl('role', 'grant-permission', name, kind, key, ...range);
  }
}

async function addUser(etcd: Ctl, name: string, password: string | undefined): Promise<void> {
  const how = password === undefined ? [name, '--no-password'] : [`${name}:${password}`];
  await etcd.ctl('user', 'add', ...how);
}

/** Makes the roles and users, and root, and turns authentication on: `ctl` needs a user from then on. */
export async function enableAuth(etcd: Ctl, users: readonly User[]): Promise<void> {
  await addUser(etcd, ROOT.name, ROOT.password);
  await etcd.ctl('role', 'add', 'root');
  await etcd.ctl('user', 'grant-role', ROOT.name, 'root');
  const roles = new Map(users.flatMap((user) => user.roles).map((role) => [role.name, role]));
  for (const role of roles.values()) await addRole(etcd, role);
  for (const user of users) {
    await addUser(etcd, user.name, user.password);
    for (const role of user.roles) await etcd.ctl('user', 'grant-role', user.name, role.name);
  }
  await etcd.ctl('auth', 'enable');
}
