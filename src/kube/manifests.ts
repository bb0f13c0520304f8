/**
 * What stops every write to some resources, and nothing else.
 *
 * Two ways. A ValidatingAdmissionPolicy says no by itself. Where the API server has none, a webhook
 * does that cannot be called: failurePolicy Fail turns that into a refusal. Its address is refused at
 * once on every host and goes through no proxy and no name service, so that a write waits for nothing.
 *
 * Both name the resource and its subresources, because pods are also written through status, binding,
 * eviction, ephemeralcontainers and resize; and the legacy `bindings`, which is no subresource. They
 * do not name CONNECT: exec and attach write nothing. There are no selectors: what a selector leaves
 * out is written. Admission is not asked about these objects themselves, so the freeze can always be
 * taken away.
 */
import { z } from 'zod';
import { annotationsOf, HELD, type FreezeOwner } from './owner.js';
import { PODS, resourceName, sameResource, type Resource } from './resource.js';

/** Of our objects; an answer that names one of them was refused by us. */
export const FREEZE_NAME = 'etcd-lockstep-freeze';
export const WEBHOOK_NAME = 'freeze.etcd-lockstep.io';

export const WAYS = ['policy', 'webhook'] as const;
/** How apiservers are made to refuse: by a ValidatingAdmissionPolicy, or by a webhook that nobody answers. */
export type FreezeWay = (typeof WAYS)[number];

const API_VERSION = 'admissionregistration.k8s.io/v1';
export const ADMISSION_BASE = `/apis/${API_VERSION}`;

/** An object to be written, and where. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; annotations: Record<string, string> };
  [field: string]: unknown;
}

/** Where objects of a kind are; in the order in which they take effect. */
export const KINDS = {
  webhook: ['validatingwebhookconfigurations'],
  policy: ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'],
} as const satisfies Record<FreezeWay, readonly string[]>;

export type ManifestKind = (typeof KINDS)[FreezeWay][number];

/** In the order of {@link KINDS}; without an owner as `freeze print` gives them to kubectl. */
export function freezeObjects(
  resources: readonly Resource[],
  way: FreezeWay,
  owner?: FreezeOwner,
  held = false,
): Manifest[] {
  const metadata = metadataFor(resources, {
    ...(owner ? annotationsOf(owner) : {}),
    ...(held ? HELD : {}),
  });
  return way === 'policy' ? policy(resources, metadata) : [webhook(resources, metadata)];
}

function policy(resources: readonly Resource[], metadata: Manifest['metadata']): Manifest[] {
  return [
    {
      apiVersion: API_VERSION,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { matchPolicy: 'Equivalent', resourceRules: rules(resources) },
        // Without a reason the answer is 422 Invalid, and a client may take its object for wrong.
        validations: [{ expression: 'false', message: messageFor(resources), reason: 'Forbidden' }],
      },
    },
    {
      apiVersion: API_VERSION,
      kind: 'ValidatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: FREEZE_NAME, validationActions: ['Deny'] },
    },
  ];
}

function webhook(resources: readonly Resource[], metadata: Manifest['metadata']): Manifest {
  return {
    apiVersion: API_VERSION,
    kind: 'ValidatingWebhookConfiguration',
    metadata,
    webhooks: [
      {
        name: WEBHOOK_NAME,
        admissionReviewVersions: ['v1'],
        // The path is for people: it stands in the refusal.
        clientConfig: { url: 'https://127.0.0.1:1/frozen-while-it-moves-to-another-etcd' },
        failurePolicy: 'Fail',
        matchPolicy: 'Equivalent',
        sideEffects: 'None',
        timeoutSeconds: 1,
        rules: rules(resources),
      },
    ],
  };
}

function metadataFor(
  resources: readonly Resource[],
  ownership: Record<string, string>,
): Manifest['metadata'] {
  return {
    name: FREEZE_NAME,
    annotations: {
      'kubernetes.io/description': `${messageFor(resources)}; etcd-lockstep freeze remove ends it`,
      ...ownership,
    },
  };
}

function messageFor(resources: readonly Resource[]): string {
  return `${resources.map(resourceName).join(', ')} cannot be written while they move to another etcd`;
}

/** One rule for each group; every version of it. */
function rules(resources: readonly Resource[]): object[] {
  const groups = [...new Set(resources.map(({ group }) => group))];
  return groups.map((group) => ({
    apiGroups: [group],
    apiVersions: ['*'],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    resources: resources.filter((r) => r.group === group).flatMap(named),
    scope: '*',
  }));
}

function named(resource: Resource): string[] {
  const own = [resource.resource, `${resource.resource}/*`];
  return sameResource(resource, PODS) ? [...own, 'bindings'] : own;
}

const ruled = z.array(
  z.looseObject({ apiGroups: z.array(z.string()), resources: z.array(z.string()) }),
);
const frozenBy = z.union([
  z
    .looseObject({ webhooks: z.array(z.looseObject({ rules: ruled })) })
    .transform(({ webhooks }) => webhooks.flatMap((one) => one.rules)),
  z
    .looseObject({
      spec: z.looseObject({ matchConstraints: z.looseObject({ resourceRules: ruled }) }),
    })
    .transform(({ spec }) => spec.matchConstraints.resourceRules),
]);

/** What an object of ours freezes; empty for a binding, which only turns its policy on. */
export function resourcesOf(object: unknown): Resource[] {
  const rules = frozenBy.safeParse(object).data ?? [];
  return rules.flatMap(({ apiGroups, resources }) =>
    apiGroups.flatMap((group) =>
      resources
        .filter((name) => !name.includes('/') && name !== 'bindings')
        .map((resource) => ({ group, resource })),
    ),
  );
}
