/**
 * Asks one apiserver whether it refuses what must be refused, and still does what must go on.
 *
 * A write counts as refused only if the answer names our freeze: a user without rights, or somebody
 * else's webhook, refuses too, and would hide that the freeze does not hold. What an apiserver says
 * of an object before it asks admission (gone, changed meanwhile) proves nothing, and is asked again.
 */
import { messageOf, reasonOf, type Answer } from './answer.js';
import type { ApiServer } from './api.js';
import {
  creation,
  DRY_RUN,
  TOUCH,
  touched,
  writesOf,
  type Attempt,
  type Request,
} from './attempts.js';
import { FREEZE_NAME, WEBHOOK_NAME } from './manifests.js';
import { listFirst, objectName, type KubeObject } from './object.js';
import {
  find,
  LEASES,
  NODES,
  pathOf,
  resourceName,
  sameResource,
  serving,
  type Resource,
  type Served,
} from './resource.js';

export type Expected = 'frozen' | 'open';

export interface Check {
  /** `create pods`, `pods/eviction`, `list pods` */
  what: string;
  expected: 'refused' | 'accepted';
  /**
   * `refused`: by our freeze. `accepted`: admission let it pass. `absent`: this apiserver has no such
   * path. `not asked`: there is no object to ask on. Else what it answered, which proves neither.
   */
  got: string;
  /** True also for what is absent or was not asked. */
  ok: boolean;
}

export interface ProbeReport {
  apiserver: string;
  ok: boolean;
  /** What the writes were aimed at; object null: there is none, and only some paths could be asked. */
  on: { resource: string; object: string | null }[];
  checks: Check[];
}

/** Objects that change or go while they are asked about. */
const TRIES = 4;
/** Of which one is chosen that is not on its way out. */
const CANDIDATES = 8;

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
  const { on, checks } = await probeWrites(api, resources, expected);
  for (const resource of resources) checks.push(...(await reads(api, resource)));
  for (const other of [LEASES, NODES])
    if (!resources.some((frozen) => sameResource(frozen, other)))
      checks.push(...(await othersGoOn(api, other)));
  return { apiserver: api.url, ok: checks.every(({ ok }) => ok), on, checks };
}

/** The writes to `resources` alone. */
export async function probeWrites(
  api: ApiServer,
  resources: readonly Resource[],
  expected: Expected,
): Promise<Pick<ProbeReport, 'on' | 'checks'>> {
  const on: ProbeReport['on'] = [];
  const checks: Check[] = [];
  for (const resource of resources) {
    const served = await serving(api, resource);
    const wanted = expected === 'frozen' ? 'refused' : 'accepted';
    const asked = await askAll(api, served, wanted, writesOf);
    checks.push(...asked.checks);
    on.push({
      resource: resourceName(resource),
      object: asked.object ? objectName(asked.object) : null,
    });
  }
  return { on, checks };
}

async function askAll(
  api: ApiServer,
  served: Served,
  expected: Check['expected'],
  attemptsOn: (served: Served, object: KubeObject | undefined) => Attempt[],
): Promise<{ object: KubeObject | undefined; checks: Check[] }> {
  for (let tries = 1; ; tries++) {
    const { items } = await listFirst(api, served, CANDIDATES);
    const object = items.find(isSettled) ?? items[0];
    const outcomes = [];
    for (const attempt of attemptsOn(served, object)) outcomes.push(await ask(api, attempt));
    if (tries < TRIES && outcomes.some(({ moved }) => moved)) continue;
    const checks = outcomes.map(({ what, got }) => ({
      what,
      expected,
      got,
      ok: [expected, 'absent', 'not asked'].includes(got),
    }));
    return { object, checks };
  }
}

/** Not on its way out, not at its end, and not the shadow of a pod that only its kubelet can change. */
function isSettled({ metadata, status }: KubeObject): boolean {
  const { phase } = (status ?? {}) as { phase?: string };
  return (
    metadata.deletionTimestamp === undefined &&
    phase !== 'Succeeded' &&
    phase !== 'Failed' &&
    metadata.annotations?.['kubernetes.io/config.mirror'] === undefined
  );
}

interface Outcome {
  what: string;
  got: string;
  /** The object went or changed before admission was asked. */
  moved: boolean;
}

async function ask(api: ApiServer, attempt: Attempt): Promise<Outcome> {
  const { what } = attempt;
  if ('skipped' in attempt) return { what, got: attempt.skipped, moved: false };
  const { method, path, body, query } = attempt;
  const answer = await api.send(method, path, body, { ...query, ...DRY_RUN });
  const got = verdict(answer, attempt);
  const moved = got !== 'accepted' && ['NotFound', 'Conflict'].includes(reasonOf(answer) ?? '');
  return { what, got, moved };
}

function verdict(answer: Answer, { afterAdmission }: Request): string {
  const message = messageOf(answer);
  if (isOurs(message)) return 'refused';
  if (answer.status < 300 || afterAdmission?.(answer)) return 'accepted';
  return `${answer.status} ${message}`;
}

function isOurs(message: string): boolean {
  return message.includes(FREEZE_NAME) || message.includes(WEBHOOK_NAME);
}

/** Lists and gets; both must work, frozen or not. */
async function reads(api: ApiServer, resource: Resource): Promise<Check[]> {
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
async function othersGoOn(api: ApiServer, resource: Resource): Promise<Check[]> {
  const served = await find(api, resource);
  if (!served) return [accepted(resource.resource, 'absent')];
  return (await askAll(api, served, 'accepted', heartbeats)).checks;
}

function heartbeats(served: Served, object: KubeObject | undefined): Attempt[] {
  const { resource, apiVersion, kind } = served;
  const path = object && pathOf(served, object.metadata.namespace, object.metadata.name);
  if (sameResource(served, NODES))
    return [
      path === undefined
        ? { what: 'patch nodes', skipped: 'not asked' }
        : { what: 'patch nodes', method: 'PATCH', path, body: TOUCH },
      touched(served, 'status', object),
    ];
  const create = creation(served, undefined);
  return [
    ...(create ? [{ what: `create ${resource}`, ...create }] : []),
    path === undefined
      ? { what: `update ${resource}`, skipped: 'not asked' }
      : { what: `update ${resource}`, method: 'PUT', path, body: { apiVersion, kind, ...object } },
  ];
}

function accepted(what: string, got: string): Check {
  return { what, expected: 'accepted', got, ok: ['accepted', 'absent', 'not asked'].includes(got) };
}
