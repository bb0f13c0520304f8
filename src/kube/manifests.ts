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
import { PODS, resourceName, sameResource, type Resource } from './resource.js';

/** Of our objects; an answer that names one of them was refused by us. */
export const FREEZE_NAME = 'etcd-lockstep-freeze';
export const WEBHOOK_NAME = 'freeze.etcd-lockstep.io';

export const WAYS = ['policy', 'webhook'] as const;
export type Way = (typeof WAYS)[number];

export const ADMISSION_GROUP = 'admissionregistration.k8s.io';
const API_VERSION = `${ADMISSION_GROUP}/v1`;

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
} as const satisfies Record<Way, readonly string[]>;

/** In the order of {@link KINDS}. */
export function freezeObjects(resources: readonly Resource[], way: Way): Manifest[] {
  return way === 'policy' ? policy(resources) : [webhook(resources)];
}

function policy(resources: readonly Resource[]): Manifest[] {
  const metadata = metadataFor(resources);
  return [
    {
      apiVersion: API_VERSION,
      kind: 'ValidatingAdmissionPolicy',
      metadata,
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: { matchPolicy: 'Equivalent', resourceRules: rules(resources) },
        validations: [{ expression: 'false', message: messageFor(resources) }],
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

function webhook(resources: readonly Resource[]): Manifest {
  return {
    apiVersion: API_VERSION,
    kind: 'ValidatingWebhookConfiguration',
    metadata: metadataFor(resources),
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

function metadataFor(resources: readonly Resource[]): Manifest['metadata'] {
  return {
    name: FREEZE_NAME,
    annotations: {
      'kubernetes.io/description': `${messageFor(resources)}; etcd-lockstep freeze remove ends it`,
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
