/** What an apiserver answered, and what is wrong where it was not what was asked for. */
import { z } from 'zod';
import { LockstepError } from '../errors.js';

/** What an apiserver has answered: the status of HTTP, and the object. */
export interface Answer {
  status: number;
  /** Parsed JSON; the text where it is none, as a proxy answers. */
  body: unknown;
  /** What was asked, for messages: `GET https://10.0.0.1:6443/api/v1/pods`. */
  asked: string;
}

const statusObject = z.looseObject({
  kind: z.literal('Status'),
  message: z.string().optional(),
  reason: z.string().optional(),
  details: z
    .looseObject({
      causes: z
        .array(z.looseObject({ reason: z.string().optional(), field: z.string().optional() }))
        .optional(),
    })
    .optional(),
});
type Status = z.output<typeof statusObject>;

const MAX_TEXT = 400;

/** Whether a proxy, an overloaded apiserver or one that is just starting said it: try again. */
const PASSING = [429, 502, 503, 504];

/**
 * Gives an answer back that has one of these status codes.
 * @throws LockstepError KUBE_UNAVAILABLE for one that another try may mend, KUBE for any other
 */
export function expect(answer: Answer, ...statuses: number[]): Answer {
  if (statuses.includes(answer.status)) return answer;
  const message = `${answer.asked}: ${answer.status} ${messageOf(answer)}`;
  if (PASSING.includes(answer.status))
    throw new LockstepError('KUBE_UNAVAILABLE', message, {
      hint: 'Check that this apiserver is healthy (/readyz), then run the same command again.',
    });
  throw new LockstepError('KUBE', message, { ...hintFor(answer.status) });
}

/**
 * The body of an answer with status 200.
 * @throws LockstepError as {@link expect}, and KUBE for a body that is not what the schema says
 */
export function read<T>(answer: Answer, schema: z.ZodType<T>): T {
  const result = schema.safeParse(expect(answer, 200).body);
  if (result.success) return result.data;
  const where = result.error.issues.map(({ path }) => path.join('.')).join(', ');
  throw new LockstepError('KUBE', `${answer.asked}: the answer makes no sense (${where})`, {
    hint: 'Is it really a kube-apiserver that answers there?',
  });
}

function hintFor(status: number): { hint?: string } {
  if (status === 401)
    return {
      hint: 'This apiserver does not know who we are: check user, token and client certificate in the kubeconfig (kubectl auth can-i --list).',
    };
  if (status === 403)
    return { hint: 'Use a kubeconfig that may do this; cluster-admin may do all of it.' };
  return {};
}

/**
 * The apiserver's own words, on one line.
 *
 * Where it calls an object invalid it quotes the object; of that only fields are told, because an
 * object may be a Secret.
 */
export function messageOf({ body }: Answer): string {
  const parsed = statusObject.safeParse(body);
  if (!parsed.success) return typeof body === 'string' ? line(body) : '';
  const { reason, message = '' } = parsed.data;
  return reason === 'Invalid' ? `Invalid: ${fieldsOf(parsed.data)}` : line(message);
}

/** All the apiserver's words, to look into and not to show; empty where it said none. */
export function wordsOf({ body }: Answer): string {
  return statusObject.safeParse(body).data?.message ?? '';
}

/** Status.reason: `NotFound`, `Conflict`; undefined for an answer that is none. */
export function reasonOf({ body }: Answer): string | undefined {
  return statusObject.safeParse(body).data?.reason;
}

/** Reasons of Status.details: `DisruptionBudget`. */
export function causesOf({ body }: Answer): (string | undefined)[] {
  return statusObject.safeParse(body).data?.details?.causes?.map(({ reason }) => reason) ?? [];
}

function fieldsOf({ details }: Status): string {
  const causes = details?.causes ?? [];
  return causes.map(({ field = '', reason = '' }) => `${field} (${reason})`).join(', ');
}

function line(text: string): string {
  const one = text.replace(/\s+/g, ' ').trim();
  return one.length > MAX_TEXT ? `${one.slice(0, MAX_TEXT)} …` : one;
}
