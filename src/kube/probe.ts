/**
 * Asks one apiserver whether it refuses what must be refused, and still does what must go on.
 *
 * A write counts as refused only if the answer names our freeze: a user without rights, or somebody
 * else's webhook, refuses too, and would hide that the freeze does not hold. What an apiserver says
 * of an object before it asks admission (gone, changed meanwhile) proves nothing, and is asked again.
 */
import { messageOf, reasonOf } from './answer.js';
import type { ApiServer } from './api.js';
import { askPath, type FreezeCheck } from './ask.js';
import { creation, joined, TOUCH, touched, type Attempt } from './attempts.js';
import { candidates } from './candidates.js';
import { listFirst, objectName, type KubeObject } from './object.js';
import {
  find,
  LEASES,
  NODES,
  pathOf,
  sameResource,
  serving,
  type Resource,
  type Served,
} from './resource.js';
import { WriteProbe, type On } from './writeprobe.js';

/** Whether writes should be refused. */
export type Expected = 'frozen' | 'open';

/** Objects that change while they are asked about: leases and nodes are written every ten seconds. */
const TRIES = 4;

/** What one apiserver did with each kind of write. */
export interface ProbeReport {
  apiserver: string;
  ok: boolean;
  on: On[];
  checks: FreezeCheck[];
}

/**
 * Changes nothing, whatever the answers.
 * @param expected whether writes to `resources` should be refused now
 * @throws LockstepError KUBE_UNAVAILABLE, TLS, KUBE where it cannot be asked at all
 */
export async function probe(
  api: ApiServer,
  resources: readonly Resource[],
  expected: Expected,
): Promise<ProbeReport> {
  const others = [LEASES, NODES].filter(
    (other) => !resources.some((frozen) => sameResource(frozen, other)),
  );
  const wanted = expected === 'frozen' ? 'refused' : 'accepted';
  const writes = await new WriteProbe(api, resources).all(wanted);
  const rest = await Promise.all([
    ...resources.map((resource) => reads(api, resource)),
    ...others.map((other) => othersGoOn(api, other)),
  ]);
  const checks = [...writes.checks, ...rest.flat()];
  return { apiserver: api.url, ok: checks.every(({ ok }) => ok), on: writes.on, checks };
}

/** Lists and gets; both must work, frozen or not. */
async function reads(api: ApiServer, resource: Resource): Promise<FreezeCheck[]> {
  const served = await serving(api, resource);
  const { items } = await listFirst(api, served, 1);
  const first = items[0]?.metadata;
  const list = accepted(`list ${served.resource}`, 'accepted');
  if (!first) return [list, accepted(`get ${served.resource}`, 'not asked')];
  const answer = await api.get(pathOf(served, first.namespace, first.name));
  // It may have gone since it was listed; that it is said to be gone is an answer, too.
  const there = answer.status === 200 || reasonOf(answer) === 'NotFound';
  const got = there ? 'accepted' : `${answer.status} ${messageOf(answer)}`;
  return [list, accepted(`get ${served.resource}`, got)];
}

/** What keeps nodes alive: without it every node would be taken for dead after 40 s. */
async function othersGoOn(api: ApiServer, resource: Resource): Promise<FreezeCheck[]> {
  const served = await find(api, resource);
  if (!served) return [accepted(resource.resource, 'absent')];
  for (let tries = 1; ; tries++) {
    const objects = await candidates(api, served);
    const paths = joined(
      (objects.length > 0 ? objects : [undefined]).map((one) => heartbeats(served, one)),
    );
    const asked = await Promise.all(paths.map((path) => askPath(api, path, 'accepted')));
    if (tries === TRIES || !asked.some(({ moved }) => moved))
      return asked.map(({ check }) => check);
  }
}

function heartbeats(served: Served, object: KubeObject | undefined): Attempt[] {
  const { resource, apiVersion, kind } = served;
  const one = object && {
    path: pathOf(served, object.metadata.namespace, object.metadata.name),
    on: objectName(object),
  };
  if (sameResource(served, NODES))
    return [
      {
        what: 'patch nodes',
        there: true,
        request: one && { ...one, method: 'PATCH', body: TOUCH },
      },
      touched(served, 'status', object),
    ];
  return [
    { what: `create ${resource}`, there: true, request: creation(served, undefined) },
    {
      what: `update ${resource}`,
      there: true,
      request: one && { ...one, method: 'PUT', body: { apiVersion, kind, ...object } },
    },
  ];
}

function accepted(what: string, got: string): FreezeCheck {
  const ok = ['accepted', 'absent', 'not asked'].includes(got);
  return { what, expected: 'accepted', got, on: null, why: null, ok };
}
