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

/**
 * @param afterAdmission failures that come only after admission has said yes
 * @throws LockstepError KUBE_UNAVAILABLE for an answer of a proxy, or of an apiserver in trouble
 */
export function verdictOf(
  answer: Answer,
  afterAdmission?: (answer: Answer) => boolean,
): FreezeVerdict {
  const { status } = answer;
  if (status < 300) return deletedNone(answer) ? 'nothing' : 'accepted';
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

/** A deletecollection that met no object has asked nobody. */
function deletedNone({ body }: Answer): boolean {
  const { kind, items } = (body ?? {}) as { kind?: unknown; items?: unknown };
  return String(kind).endsWith('List') && Array.isArray(items) && items.length === 0;
}

/** The object went or changed since it was read: a newer list may help. */
export function hasMoved(answer: Answer): boolean {
  return ['NotFound', 'Conflict'].includes(reasonOf(answer) ?? '') || deletedNone(answer);
}

/** Only a disruption budget refuses, which is looked at after admission. */
export function isForItsBudget(answer: Answer): boolean {
  return (
    causesOf(answer).includes('DisruptionBudget') ||
    /PodDisruptionBudget|disruption budget/.test(messageOf(answer))
  );
}
