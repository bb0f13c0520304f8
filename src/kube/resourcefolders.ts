/**
 * Where Kubernetes keeps a resource, and what `--etcd-servers-overrides` calls it.
 *
 * Most lie in a folder with the resource's own name, whatever their group: `/registry/deployments/`
 * is `apps/deployments`. A few have other folders (Kubernetes: SpecialDefaultResourcePrefixes), and
 * a few kinds of keys are no resource: they go where another one goes, or cannot be moved.
 *
 * Custom resources, API services and the definitions of custom resources lie in a folder of their
 * group (`/registry/example.io/things/`). Their servers do not look at the overrides at all, so they
 * can only stay.
 */

import type { Resource } from './resource.js';

/** The resources that are compiled into kube-apiserver, by group, as of 1.20 to 1.36. */
const COMPILED_IN: Record<string, string> = {
  '': 'configmaps endpoints events limitranges namespaces nodes persistentvolumeclaims persistentvolumes pods podtemplates replicationcontrollers resourcequotas secrets serviceaccounts services',
  'admissionregistration.k8s.io':
    'mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations',
  apps: 'controllerrevisions daemonsets deployments replicasets statefulsets',
  autoscaling: 'horizontalpodautoscalers',
  batch: 'cronjobs jobs',
  'certificates.k8s.io': 'certificatesigningrequests clustertrustbundles podcertificaterequests',
  'coordination.k8s.io': 'leasecandidates leases',
  'discovery.k8s.io': 'endpointslices',
  'flowcontrol.apiserver.k8s.io': 'flowschemas prioritylevelconfigurations',
  'internal.apiserver.k8s.io': 'storageversions',
  'networking.k8s.io': 'ingressclasses ingresses ipaddresses networkpolicies servicecidrs',
  'node.k8s.io': 'runtimeclasses',
  policy: 'poddisruptionbudgets podsecuritypolicies',
  'rbac.authorization.k8s.io': 'clusterrolebindings clusterroles rolebindings roles',
  'resource.k8s.io':
    'deviceclasses devicetaintrules resourceclaims resourceclaimtemplates resourceslices',
  'scheduling.k8s.io': 'priorityclasses workloads',
  'storage.k8s.io':
    'csidrivers csinodes csistoragecapacities storageclasses volumeattachments volumeattributesclasses',
  'storagemigration.k8s.io': 'storageversionmigrations',
};

/** Those whose folder has another name. */
const OTHER_FOLDERS: Record<string, string> = {
  '/endpoints': 'services/endpoints',
  '/nodes': 'minions',
  '/replicationcontrollers': 'controllers',
  '/services': 'services/specs',
  'networking.k8s.io/ingresses': 'ingress',
  'policy/podsecuritypolicies': 'podsecuritypolicy',
};

/** Folders that hold no resource, with why they cannot be moved on their own. */
const NO_RESOURCE: Record<string, string> = {
  masterleases: 'addresses of the apiservers, which they keep with leases of etcd; they stay',
  peerserverleases: 'addresses of the apiservers, which they keep with leases of etcd; they stay',
  ranges: 'addresses and ports given to services; kube-apiserver keeps them where services are',
};

const RESOURCE_OF = new Map<string, string>();
for (const [group, names] of Object.entries(COMPILED_IN))
  for (const name of names.split(' ')) {
    const resource = `${group}/${name}`;
    RESOURCE_OF.set(OTHER_FOLDERS[resource] ?? name, resource);
  }

/** A resource as the flag has it, and its folder below the root: `coordination.k8s.io/leases`, `leases/`. */
export interface CompiledIn {
  resource: string;
  folder: string;
}

/**
 * What somebody means who names a resource as kubectl does; the group may be left out.
 * @returns undefined for what is none that apiservers can have in an etcd of its own
 */
export function compiledIn({ group, resource }: Resource): CompiledIn | undefined {
  const all = [...RESOURCE_OF].map(([folder, name]) => ({ resource: name, folder: `${folder}/` }));
  return (
    all.find((one) => one.resource === `${group}/${resource}`) ??
    (group === '' ? all.find((one) => one.resource.endsWith(`/${resource}`)) : undefined)
  );
}

/** What lies in a folder. */
type Folder =
  /** `resource` as the flag has it: `/pods`, `apps/deployments` */
  | { kind: 'resource'; resource: string }
  | { kind: 'custom'; resource: string }
  | { kind: 'internal'; why: string }
  | { kind: 'unknown' };

/**
 * @param folder a whole folder, with its slash: `/registry/services/specs/`
 * @param root kube-apiserver's `--etcd-prefix` with a slash at both ends: `/registry/`
 */
export function lookUp(folder: string, root: string): Folder {
  if (!folder.startsWith(root) || !folder.endsWith('/')) return { kind: 'unknown' };
  const name = folder.slice(root.length, -1);
  const resource = RESOURCE_OF.get(name);
  if (resource !== undefined) return { kind: 'resource', resource };
  const why = NO_RESOURCE[name];
  if (why !== undefined) return { kind: 'internal', why };
  const parts = name.split('/');
  if (parts.length === 2 && parts[0]?.includes('.')) return { kind: 'custom', resource: name };
  return { kind: 'unknown' };
}

/**
 * The resource whose whole folder this is, whatever the apiservers' `--etcd-prefix`; undefined where it
 * is none that can be moved.
 * @param folder `/registry/pods/`
 */
export function resourceIn(folder: string): Resource | undefined {
  for (let end = folder.indexOf('/') + 1; end > 0; end = folder.indexOf('/', end) + 1) {
    const found = lookUp(folder, folder.slice(0, end));
    if (found.kind !== 'resource') continue;
    const [group = '', resource = ''] = found.resource.split('/');
    return { group, resource };
  }
  return undefined;
}

/** Folders right below the root that tell that a root is Kubernetes'. */
export function isCompiledIn(folder: string): boolean {
  return RESOURCE_OF.has(folder);
}

/**
 * The folder of the resource that a key belongs to: the part behind the root, or two of them for
 * groups and for services. Outside the root the first part; a key without any folder is its own.
 */
export function folderOf(key: string, root: string): string {
  const inside = key.startsWith(root);
  const from = inside ? root.length : key.startsWith('/') ? 1 : 0;
  const first = key.indexOf('/', from);
  if (first < 0) return key;
  const name = key.slice(from, first);
  const deeper = inside && (name.includes('.') || name === 'services');
  const second = deeper ? key.indexOf('/', first + 1) : -1;
  return key.slice(0, (second < 0 ? first : second) + 1);
}
