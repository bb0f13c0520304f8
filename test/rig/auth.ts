import { Range, type AuthClient } from 'etcd3';
import type { Login } from './etcd.js';
import { withEtcd3 } from './etcd3.js';
import type { ClientAddress } from './rpc.js';

/** etcd3's names. */
const TYPES = { read: 'Read', write: 'Write', readwrite: 'Readwrite' } as const;

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

async function addRole(auth: AuthClient, { name, permissions }: Role): Promise<void> {
  await auth.roleAdd({ name });
  for (const permission of permissions)
    await auth.roleGrantPermission({
      name,
      perm: { permType: TYPES[permission.kind], ...range(permission) },
    });
}

/** All keys from one on end at a zero byte, which is also where they begin if it is empty. */
function range({ key, prefix, fromKey }: Permission): { key: Buffer; range_end: Buffer } {
  const zero = Buffer.from([0]);
  if (fromKey) return { key: key === '' ? zero : Buffer.from(key), range_end: zero };
  return { key: Buffer.from(key), range_end: prefix ? Range.prefix(key).end : Buffer.alloc(0) };
}

async function addUser(auth: AuthClient, { name, password, roles }: User): Promise<void> {
  const how = password === undefined ? { options: { no_password: true } } : { password };
  await auth.userAdd({ name, ...how });
  for (const role of roles) await auth.userGrantRole({ user: name, role: role.name });
}

/** Makes the roles and users, and root, and turns authentication on: `ctl` needs a user from then on. */
export async function enableAuth(
  etcd: { readonly address: ClientAddress },
  users: readonly User[],
): Promise<void> {
  const root = { name: 'root', permissions: [] };
  const roles = new Map(users.flatMap((user) => user.roles).map((role) => [role.name, role]));
  await withEtcd3(etcd, async ({ auth }) => {
    for (const role of [root, ...roles.values()]) await addRole(auth, role);
    for (const user of [{ ...ROOT, roles: [root] }, ...users]) await addUser(auth, user);
    await auth.authEnable();
  });
}
