/** What real apiservers say to a dry-run write of a pod; test/data/kube-probe-answers.txt describes it. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Asked, Reply } from './fake.js';
import type { FakeObject } from './fakecluster.js';

export type Version = '1.20.2' | '1.36.3';
export type State = 'open' | 'frozen';

const file = new URL('../data/kube-probe-answers.json', import.meta.url);
const body = z.looseObject({ status: z.string().optional(), message: z.string().optional() });
const byAttempt = z.record(z.string(), z.tuple([z.number(), body]));
const byPod = z.record(z.string(), byAttempt);
const said = z
  .record(z.enum(['1.20.2', '1.36.3']), z.record(z.enum(['open', 'frozen']), byPod))
  .parse(JSON.parse(readFileSync(file, 'utf8')));

/** As an older kubelet reports it: of this one only the resize is known, all else is as for another. */
const OLD_KUBELET = 'plain/running, container statuses without resources';
const LIKE = 'plain/running-no-resources';

function pod(key: string, more: object, status: object): [string, FakeObject] {
  const [namespace = '', name = ''] = key.split('/');
  const metadata = { name, namespace, resourceVersion: '17', ...more };
  return [key, { metadata, spec: { containers: [{ name: 'app' }] }, status }];
}

const DELETED = { deletionTimestamp: '2026-01-02T03:04:05Z' };
const RUNNING = { phase: 'Running', containerStatuses: [{ name: 'app', resources: {} }] };

/** By the name that the answers have for them. */
export const PODS_IN_STATES = new Map<string, FakeObject>([
  pod(LIKE, {}, RUNNING),
  pod('plain/pending', {}, { phase: 'Pending' }),
  pod('plain/done', {}, { phase: 'Succeeded' }),
  pod('plain/terminating', DELETED, RUNNING),
  pod('plain/pdb', {}, RUNNING),
  pod('plain/old-kubelet', {}, { phase: 'Running', containerStatuses: [{ name: 'app' }] }),
  pod('quota/only', {}, RUNNING),
  pod('going/held', DELETED, RUNNING),
]);

export const NAMESPACES_IN_STATES: FakeObject[] = [
  ...['default', 'plain', 'quota'].map((name) => ({ metadata: { name } })),
  { metadata: { name: 'going' }, status: { phase: 'Terminating' } },
];

export function answerTo(version: Version, asked: Asked, state: State): Reply {
  const { pod: name, attempt } = aimOf(asked);
  const all = said[version][state];
  const special = name === 'plain/old-kubelet' ? all[OLD_KUBELET]?.[attempt] : undefined;
  const [code, { ...words }] = special ?? all[name]?.[attempt] ?? all[LIKE]?.[attempt] ?? [500, {}];
  return [code, words.status === undefined ? words : { kind: 'Status', ...words }];
}

/** The pod and the attempt as the answers name them; for a namespace that they do not know any pod. */
function aimOf({ method, path, query, body: sent }: Asked): { pod: string; attempt: string } {
  const [, namespace = '', collection = '', name, sub] =
    /\/namespaces\/([^/]+)\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?$/.exec(path) ?? [];
  const ofNamespace = { quota: 'quota/only', going: 'going/held' }[namespace] ?? LIKE;
  if (collection === 'bindings') {
    const { metadata } = sent as FakeObject;
    return { pod: `${namespace}/${metadata.name}`, attempt: 'bindings' };
  }
  if (method === 'POST' && name === undefined) return { pod: ofNamespace, attempt: 'create' };
  if (name === undefined) {
    const [, one = ''] = (query.get('fieldSelector') ?? '').split('=');
    return { pod: `${namespace}/${one}`, attempt: 'deletecollection' };
  }
  const verb = { PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method] ?? method;
  return { pod: `${namespace}/${name}`, attempt: sub ?? verb };
}
