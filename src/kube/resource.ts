/** Resources: how they are named, and where an apiserver serves them. */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import { expect, read } from './answer.js';
import type { ApiServer } from './api.js';

/** A kind of objects, as apiservers name it. */
export interface Resource {
  /** Empty for the core group. */
  group: string;
  /** Plural, in lower case. */
  resource: string;
}

/** A resource as one apiserver serves it. */
export interface Served extends Resource {
  namespaced: boolean;
  /** `/api/v1`, `/apis/coordination.k8s.io/v1` */
  base: string;
  apiVersion: string;
  kind: string;
  verbs: readonly string[];
  /** By name, without the resource's: `status`. */
  subresources: ReadonlyMap<string, Subresource>;
}

/** What is written to a subresource; `apiVersion` and `kind` may be another group's. */
export interface Subresource {
  apiVersion: string;
  kind: string;
}

/** What the project is for. */
export const PODS: Resource = { group: '', resource: 'pods' };
export const NODES: Resource = { group: '', resource: 'nodes' };
export const LEASES: Resource = { group: 'coordination.k8s.io', resource: 'leases' };

/**
 * `pods`, `leases.coordination.k8s.io`.
 * @returns undefined for what is no such name
 */
export function parseResource(text: string): Resource | undefined {
  const [, resource, group = ''] = /^([a-z][a-z0-9-]*)(?:\.([a-z0-9.-]+))?$/.exec(text) ?? [];
  return resource === undefined ? undefined : { group, resource };
}

/** As kubectl names it: `pods`, `leases.coordination.k8s.io`. */
export function resourceName({ group, resource }: Resource): string {
  return group === '' ? resource : `${resource}.${group}`;
}

export function sameResource(a: Resource, b: Resource): boolean {
  return a.group === b.group && a.resource === b.resource;
}

/** Path of one object, of all of a namespace, or of all. */
export function pathOf(served: Served, namespace?: string, name?: string): string {
  const within = served.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : '';
  return `${served.base}${within}/${served.resource}${name === undefined ? '' : `/${name}`}`;
}

const apiGroup = z.looseObject({
  preferredVersion: z.looseObject({ groupVersion: z.string() }),
});
const resourceList = z.looseObject({
  groupVersion: z.string(),
  resources: z.array(
    z.looseObject({
      name: z.string(),
      namespaced: z.boolean(),
      kind: z.string(),
      verbs: z.array(z.string()),
      group: z.string().optional(),
      version: z.string().optional(),
    }),
  ),
});

/** What an apiserver serves does not change while it is moved: asked once, and not in the freeze. */
const found = new WeakMap<ApiServer, Map<string, Served>>();

/** Asks an apiserver, once for all; undefined where it does not serve it. */
export async function find(
  api: ApiServer,
  resource: Resource,
  signal?: AbortSignal,
): Promise<Served | undefined> {
  const name = resourceName(resource);
  const known = found.get(api)?.get(name);
  if (known) return known;
  const served = await discover(api, resource, signal);
  if (served) found.set(api, new Map(found.get(api)).set(name, served));
  return served;
}

async function discover(
  api: ApiServer,
  resource: Resource,
  signal: AbortSignal | undefined,
): Promise<Served | undefined> {
  const base = await baseOf(api, resource.group, signal);
  if (base === undefined) return undefined;
  const list = read(await api.get(base, undefined, signal), resourceList);
  const own = list.resources.find(({ name }) => name === resource.resource);
  if (!own) return undefined;
  const prefix = `${resource.resource}/`;
  const subresources = list.resources
    .filter(({ name }) => name.startsWith(prefix))
    .map(({ name, kind, group, version }): [string, Subresource] => [
      name.slice(prefix.length),
      { kind, apiVersion: apiVersion(group, version) ?? list.groupVersion },
    ]);
  return {
    ...resource,
    namespaced: own.namespaced,
    base,
    apiVersion: list.groupVersion,
    kind: own.kind,
    verbs: own.verbs,
    subresources: new Map(subresources),
  };
}

/** @throws LockstepError KUBE where the apiserver does not serve it */
export async function serving(
  api: ApiServer,
  resource: Resource,
  signal?: AbortSignal,
): Promise<Served> {
  const served = await find(api, resource, signal);
  if (served) return served;
  throw new LockstepError('KUBE', `${api.url} serves no ${resourceName(resource)}`, {
    hint: 'Name it as kubectl api-resources does, in the plural and with its group: leases.coordination.k8s.io.',
  });
}

async function baseOf(
  api: ApiServer,
  group: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  if (group === '') return '/api/v1';
  const answer = expect(await api.get(`/apis/${group}`, undefined, signal), 200, 404);
  if (answer.status === 404) return undefined;
  return `/apis/${read(answer, apiGroup).preferredVersion.groupVersion}`;
}

function apiVersion(group: string | undefined, version: string | undefined): string | undefined {
  if (version === undefined) return undefined;
  return group === undefined || group === '' ? version : `${group}/${version}`;
}
