/**
 * Freezes resources in a cluster, and thaws them.
 *
 * The objects are written once, through the first apiserver. Each apiserver then learns of them by a
 * watch of its own, a moment later; so freezing ends when a dry-run write is refused by every one.
 */
import { z } from 'zod';
import { pause } from '../backoff.js';
import { badArgument, LockstepError } from '../errors.js';
import { expect, read } from './answer.js';
import type { ApiServer } from './api.js';
import {
  ADMISSION_BASE,
  FREEZE_NAME,
  freezeObjects,
  KINDS,
  type Manifest,
  type Way,
} from './manifests.js';
import { kubeObject } from './object.js';
import { probeWrites, type Check, type Expected } from './probe.js';
import type { Resource } from './resource.js';

const ASK_AGAIN_MS = 200;
/** An apiserver that is cut off from its etcd, or has policies turned off, would never know. */
const KNOWN_WITHIN_MS = 60_000;

export interface FreezeOptions {
  /** Aborts the wait; what was written stays. */
  signal?: AbortSignal;
  /** Told once for each apiserver that is waited for, with what it does not do yet. */
  onWait?: (apiserver: string, checks: readonly Check[]) => void;
}

/** A policy where every apiserver has them (1.30 and later), else a webhook. */
export async function freezeWay(apis: readonly ApiServer[]): Promise<Way> {
  for (const api of apis) {
    const list = read(
      await api.get(ADMISSION_BASE),
      z.looseObject({ resources: z.array(z.looseObject({ name: z.string() })) }),
    );
    if (!list.resources.some(({ name }) => name === KINDS.policy[0])) return 'webhook';
  }
  return 'policy';
}

/**
 * Freezes, and waits until every apiserver refuses. May be called again: it brings the objects to
 * what is asked for.
 * @returns when it was frozen first, by the apiserver's clock
 * @throws LockstepError KUBE_UNAVAILABLE where an apiserver does not refuse within a minute, KUBE
 *   where it cannot be told whether it does; the freeze then stays
 */
export async function applyFreeze(
  apis: readonly ApiServer[],
  resources: readonly Resource[],
  way: Way,
  options: FreezeOptions = {},
): Promise<Date | undefined> {
  const api = first(apis);
  for (const [i, object] of freezeObjects(resources, way).entries())
    await put(api, KINDS[way][i] ?? '', object);
  await Promise.all(apis.map((one) => untilAll(one, resources, 'frozen', options)));
  return frozenSince(api);
}

/** Thaws, and waits until every apiserver accepts. May be called where nothing is frozen. */
export async function removeFreeze(
  apis: readonly ApiServer[],
  resources: readonly Resource[],
  options: FreezeOptions = {},
): Promise<void> {
  const api = first(apis);
  for (const kind of allKinds())
    expect(await api.send('DELETE', `${ADMISSION_BASE}/${kind}/${FREEZE_NAME}`), 200, 404);
  await Promise.all(apis.map((one) => untilAll(one, resources, 'open', options)));
}

/** When our objects were made, by the apiserver's clock; undefined where there are none. */
export async function frozenSince(api: ApiServer): Promise<Date | undefined> {
  const times: number[] = [];
  for (const kind of allKinds()) {
    const answer = expect(await api.get(`${ADMISSION_BASE}/${kind}/${FREEZE_NAME}`), 200, 404);
    if (answer.status === 404) continue;
    times.push(Date.parse(read(answer, kubeObject).metadata.creationTimestamp ?? ''));
  }
  return times.length === 0 ? undefined : new Date(Math.min(...times));
}

/** The objects themselves first, so that nothing refers to what is gone. */
function allKinds(): string[] {
  return [...KINDS.webhook, ...[...KINDS.policy].reverse()];
}

async function put(api: ApiServer, kind: string, object: Manifest): Promise<void> {
  const path = `${ADMISSION_BASE}/${kind}`;
  const there = expect(await api.get(`${path}/${FREEZE_NAME}`), 200, 404);
  if (there.status === 404) {
    // 409: the request was sent twice, or somebody else freezes too.
    const made = expect(await api.send('POST', path, object), 201, 409);
    return made.status === 409 ? put(api, kind, object) : undefined;
  }
  const { resourceVersion } = read(there, kubeObject).metadata;
  const metadata = { ...object.metadata, resourceVersion };
  expect(await api.send('PUT', `${path}/${FREEZE_NAME}`, { ...object, metadata }), 200);
}

/**
 * Waits until no write is answered the other way round. A freeze has to be proven then; after it is
 * removed others may still refuse.
 */
async function untilAll(
  api: ApiServer,
  resources: readonly Resource[],
  expected: Expected,
  { signal, onWait }: FreezeOptions,
): Promise<void> {
  const opposite = expected === 'frozen' ? 'accepted' : 'refused';
  const deadline = Date.now() + KNOWN_WITHIN_MS;
  let told = false;
  while (true) {
    const { checks } = await probeWrites(api, resources, expected);
    const late = checks.filter(({ got }) => got === opposite);
    const unproven = checks.filter(({ ok }) => !ok);
    if (late.length === 0 && expected === 'frozen' && unproven.length > 0)
      throw cannotTell(api, unproven);
    if (late.length === 0) return;
    if (Date.now() > deadline) throw neverKnew(api, late, expected);
    if (!told) onWait?.(api.url, late);
    told = true;
    await pause(ASK_AGAIN_MS, signal);
    signal?.throwIfAborted();
  }
}

function neverKnew(api: ApiServer, late: readonly Check[], expected: Expected): LockstepError {
  const paths = late.map(({ what }) => what).join(', ');
  const does = expected === 'frozen' ? 'is still accepted' : 'is still refused';
  return new LockstepError('KUBE_UNAVAILABLE', `${api.url}: ${paths} ${does} after a minute`, {
    disposition: 'retry',
    hint:
      expected === 'frozen'
        ? 'Does it use the same etcd as the others, and are its admission plugins on? --way webhook needs no policies; freeze remove ends the freeze.'
        : 'Does it use the same etcd as the others? kubectl get validatingwebhookconfigurations,validatingadmissionpolicies says what is there.',
  });
}

function cannotTell(api: ApiServer, unproven: readonly Check[]): LockstepError {
  const answers = unproven.map(({ what, got }) => `${what}: ${got}`).join('; ');
  return new LockstepError(
    'KUBE',
    `${api.url}: cannot tell whether all writes are refused: ${answers}`,
    {
      disposition: 'fatal',
      hint: 'The freeze is there; freeze remove ends it. Somebody else refused before it was asked: use a user with more rights, or see who it is.',
    },
  );
}

function first(apis: readonly ApiServer[]): ApiServer {
  const [api] = apis;
  if (api) return api;
  throw badArgument('no apiserver is given', 'Name them in --apiservers.');
}
