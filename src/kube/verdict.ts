/**
 * What an answer to a dry-run write says of the freeze.
 *
 * An apiserver looks at the request and at the object first, then asks admission one plugin after the
 * other. Ours is among the last, so whoever says no before us hides what ours would say:
 *
 *     refused    by our freeze, in its own words
 *     accepted   all of admission let it pass, whatever came after
 *     nothing    it is about this object or its namespace: gone, changed, not to be resized, being
 *                deleted, its quota used up, below a security standard. Another may be asked
 *     unproven   it is about whoever asks (no rights), or about all objects (somebody's webhook)
 */
import { z } from 'zod';
import { causesOf, expect, messageOf, reasonOf, wordsOf, type Answer } from './answer.js';
import { FREEZE_NAME, WEBHOOK_NAME } from './manifests.js';

export type FreezeVerdict = 'refused' | 'accepted' | 'nothing' | 'unproven';

/** As both ways put it; an object's own name may be ours, too. */
const BY_US = [`ValidatingAdmissionPolicy '${FREEZE_NAME}'`, `webhook "${WEBHOOK_NAME}"`];
const ABOUT_THE_OBJECT = ['NotFound', 'Conflict', 'AlreadyExists', 'Invalid', 'BadRequest'];
/** `User "u" cannot create resource "pods"`, in the words of the authorizer. */
const NO_RIGHTS = /\bUser ".*" cannot \b/;
const OTHERS_WEBHOOK = /\badmission webhook "|calling webhook "/;
/** Such a policy refuses by an expression, which may be about all objects. */
const OTHERS_POLICY = /ValidatingAdmissionPolicy '/;

/** What has to be known of a request to understand its answer. */
export interface Asking {
  /** Failures that an apiserver answers only after admission has said yes. */
  afterAdmission?: (answer: Answer) => boolean;
  /** Of a deletion: the resourceVersion of the object as it was read. */
  readAt?: string | undefined;
}

/** @throws LockstepError KUBE_UNAVAILABLE for an answer of a proxy, or of an apiserver in trouble */
export function verdictOf(answer: Answer, { afterAdmission, readAt }: Asking = {}): FreezeVerdict {
  const { status } = answer;
  if (status < 300) return deletedUnasked(answer, readAt) ? 'nothing' : 'accepted';
  const words = wordsOf(answer);
  if (BY_US.some((name) => words.includes(name))) return 'refused';
  if (afterAdmission?.(answer)) return 'accepted';
  if ([429, 502, 503, 504].includes(status)) expect(answer);
  return isAboutTheObject(answer, words) ? 'nothing' : 'unproven';
}

function isAboutTheObject(answer: Answer, words: string): boolean {
  if ([NO_RIGHTS, OTHERS_WEBHOOK, OTHERS_POLICY].some((other) => other.test(words))) return false;
  const reason = reasonOf(answer) ?? '';
  return ABOUT_THE_OBJECT.includes(reason) || (reason === 'Forbidden' && answer.status === 403);
}

const objectMeta = z.looseObject({ resourceVersion: z.string().optional() }).optional();
const deleted = z.looseObject({
  kind: z.string().optional(),
  metadata: objectMeta,
  items: z.array(z.looseObject({ metadata: objectMeta })).optional(),
});

/**
 * A yes to a deletion that admission was not asked for: a collection that was empty, or a pod that is
 * being deleted already. The latter shows by the resourceVersion, which in the answer to a dry run is
 * the stored one: there it is not the one that was read before that deletion.
 */
function deletedUnasked({ body }: Answer, readAt: string | undefined): boolean {
  const { kind = '', metadata, items } = deleted.safeParse(body).data ?? {};
  if (kind.endsWith('List') && items?.length === 0) return true;
  const versions = (items ?? [{ metadata }]).map((one) => one.metadata?.resourceVersion ?? readAt);
  return readAt !== undefined && versions.some((version) => version !== readAt);
}

/** The object went or changed since it was read: a newer list may help. */
export function hasMoved(answer: Answer, { readAt }: Asking = {}): boolean {
  const isOlder = ['NotFound', 'Conflict'].includes(reasonOf(answer) ?? '');
  return isOlder || deletedUnasked(answer, readAt);
}

/** Only a disruption budget refuses, which is looked at after admission. */
export function isForItsBudget(answer: Answer): boolean {
  return (
    causesOf(answer).includes('DisruptionBudget') ||
    /PodDisruptionBudget|disruption budget/.test(messageOf(answer))
  );
}
