/** What a gRPC failure means to us: the one place that maps etcd's errors to ours. */
import { status as Code, type ServiceError } from '@grpc/grpc-js';
import { LockstepError, type ErrorCode, type Disposition } from '../errors.js';

/** Which etcd an error is about; stands in every message. */
export type Side = 'source' | 'target';

interface Rule {
  match: RegExp;
  code: ErrorCode;
  disposition: Disposition;
  hint?: string;
}

// etcd's texts: api/v3rpc/rpctypes/error.go. They are part of its API and the same in 3.4 to 3.6.
const RULES: Rule[] = [
  { match: /required revision has been compacted/, code: 'COMPACTED', disposition: 'reseed' },
  { match: /required revision is a future/, code: 'FUTURE_REVISION', disposition: 'retry' },
  {
    match: /request is too large|trying to send message larger/,
    code: 'REQUEST_TOO_LARGE',
    disposition: 'fatal',
    hint: 'Restart the target with a larger --max-request-bytes (10485760 fits any Kubernetes object with room for the guard), then run the same command again.',
  },
  {
    match: /Received message larger than max/i,
    code: 'ANSWER_TOO_LARGE',
    disposition: 'retry',
  },
  {
    match: /database space exceeded/,
    code: 'NO_SPACE',
    disposition: 'retry',
    hint: 'Compact, defragment and disarm the alarm (etcdctl alarm disarm), or raise --quota-backend-bytes.',
  },
  { match: /requested lease not found/, code: 'NO_LEASE', disposition: 'retry' },
  { match: /lease already exists/, code: 'LEASE_EXISTS', disposition: 'retry' },
];

const RETRY = new Set<number>([
  Code.UNAVAILABLE,
  Code.DEADLINE_EXCEEDED,
  Code.CANCELLED,
  Code.ABORTED,
  Code.UNKNOWN,
  Code.INTERNAL,
  Code.RESOURCE_EXHAUSTED, // "too many requests"
]);

/** What went wrong, without what grpc-js and etcd3 put around it. */
function plainText(error: unknown): string {
  const text = isServiceError(error)
    ? error.details
    : error instanceof Error
      ? error.message
      : String(error);
  return text
    .replace(/^\d+ [A-Z_]+: /, '')
    .replace(/^No connection established\. Last error: (Error: )?/, '')
    .replace(/\.? ?Resolution note: ?.*$/, '');
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error;
}

/**
 * Turns whatever a call threw into a LockstepError. UNAVAILABLE also stands for "nobody knows
 * whether the call took effect": the caller has to look.
 */
export function mapError(error: unknown, side: Side, endpoint: string): LockstepError {
  if (error instanceof LockstepError) return error;
  const text = plainText(error);
  const where = `${side} ${endpoint}`;
  const rule = RULES.find((r) => r.match.test(text));
  if (rule) {
    return new LockstepError(rule.code, `${where}: ${text}`, {
      disposition: rule.disposition,
      cause: error,
      ...(rule.hint === undefined ? {} : { hint: rule.hint }),
    });
  }
  const code = isServiceError(error) ? (error.code as number) : Code.UNKNOWN;
  if (code === (Code.PERMISSION_DENIED as number) || code === (Code.UNAUTHENTICATED as number)) {
    return new LockstepError('PERMISSION', `${where}: ${text}`, {
      disposition: 'fatal',
      hint: `Check the credentials and roles for the ${side}.`,
      cause: error,
    });
  }
  if (RETRY.has(code)) {
    return new LockstepError('UNAVAILABLE', `${where}: ${text}`, {
      disposition: 'retry',
      hint: `Check that an etcd answers there: etcdctl --endpoints ${endpoint} endpoint status.`,
      cause: error,
    });
  }
  return new LockstepError('ETCD', `${where}: ${text}`, { disposition: 'fatal', cause: error });
}
