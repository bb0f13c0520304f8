/**
 * Whether we may do to the freeze all that a night does to it, asked before anything is frozen.
 *
 * It is marked just behind the takeover, and removed at the end: who may not would find that out when
 * every apiserver has moved and nobody can write. Each apiserver is asked about ourselves, which
 * everybody may do; one that does not say is believed to agree.
 */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import type { ApiServer } from './api.js';
import { byLiving } from './living.js';
import { FREEZE_NAME, KINDS, type ManifestKind } from './manifests.js';
import { pathOfKind } from './standing.js';
import { freezeWay } from './way.js';

const REVIEWS = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const VERBS = ['get', 'create', 'update', 'patch', 'delete'] as const;

const review = z.looseObject({ status: z.looseObject({ allowed: z.boolean() }) });

/** @throws LockstepError KUBE that names what is missing */
export async function needFreezeRights(apis: readonly ApiServer[]): Promise<void> {
  await byLiving(apis, pathOfKind('validatingwebhookconfigurations'), async (api) => {
    const kinds: readonly ManifestKind[] = KINDS[await freezeWay([api])];
    await Promise.all(
      kinds.flatMap((kind) => VERBS.map(async (verb) => needRight(api, kind, verb))),
    );
  });
}

async function needRight(api: ApiServer, kind: ManifestKind, verb: string): Promise<void> {
  const resourceAttributes = {
    group: 'admissionregistration.k8s.io',
    resource: kind,
    name: FREEZE_NAME,
    verb,
  };
  const answer = await api.send('POST', REVIEWS, {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SelfSubjectAccessReview',
    spec: { resourceAttributes },
  });
  const said = review.safeParse(answer.body);
  if (answer.status !== 201 || !said.success || said.data.status.allowed) return;
  throw new LockstepError('KUBE', `${api.url}: our user cannot ${verb} ${kind}`, {
    hint: 'Writes could be frozen, and not be let in again. Use a kubeconfig that may do all that docs/access.md lists; cluster-admin may. Nothing was changed.',
  });
}
