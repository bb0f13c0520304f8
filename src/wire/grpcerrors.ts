/** What a gRPC failure means to us: the one place that maps etcd's errors to ours. */
import { status as Code, Metadata } from '@grpc/grpc-js';
import { hasCode, LockstepError, type ErrorCode } from '../errors.js';
import { isUnixUrl } from './address.js';
import type { TlsMaterial } from './connection.js';
import { Diagnosis, notEtcd } from './diagnose.js';
import { isNotConnected, networkFault } from './networkfault.js';
import { asPeerFault, PeerFault } from './peerfault.js';
import { flag, type Side } from './side.js';
import { tlsFault } from './tlsfault.js';

interface ErrorRule {
  match: RegExp;
  code: ErrorCode;
  /** Instead of the text that came. */
  say?: string;
  hint?: (side: Side) => string;
}

// etcd's texts: api/v3rpc/rpctypes/error.go. They are part of its API and the same in 3.4 to 3.6.
// A request that is half a MiB above etcd's limit is refused by its gRPC before etcd sees it; our own
// gRPC says nearly the same of an answer, with a capital R.
const REQUEST_BYTES =
  /request is too large|^grpc: received message larger|trying to send message larger/;

const RULES: ErrorRule[] = [
  { match: /required revision has been compacted/, code: 'COMPACTED' },
  { match: /required revision is a future/, code: 'FUTURE_REVISION' },
  {
    match: REQUEST_BYTES,
    code: 'REQUEST_TOO_LARGE',
    hint: () =>
      'Restart the target with a larger --max-request-bytes (10485760 fits any Kubernetes object with room for the guard), then run the same command again.',
  },
  {
    match: /too many operations in txn request/,
    code: 'REQUEST_TOO_LARGE',
    hint: () =>
      'The target was started with a --max-txn-ops below 128. Raise it there; a mirror can be given the same number in --max-txn-ops.',
  },
  {
    match: /Received message larger than max/,
    code: 'ANSWER_TOO_LARGE',
  },
  {
    match: /database space exceeded/,
    code: 'NO_SPACE',
    hint: () =>
      'Compact, defragment and disarm the alarm (etcdctl alarm disarm), or raise --quota-backend-bytes.',
  },
  {
    match: /corrupt cluster/,
    code: 'ETCD',
    say: 'the data of one of its members is damaged (alarm CORRUPT), so it takes no writes',
    hint: () =>
      'etcdctl alarm list names the member. Replace it by a new one, see that all members have the same hash (etcdctl endpoint hashkv --cluster), then etcdctl alarm disarm. Copy nothing from it or to it before.',
  },
  {
    match: /not supported for learner/,
    code: 'UNAVAILABLE',
    say: 'it is a learner, which serves no clients before it is promoted',
    hint: (side) => `Give voting members of its cluster to ${flag(side, 'endpoints')}.`,
  },
  { match: /requested lease not found/, code: 'NO_LEASE' },
  { match: /lease already exists/, code: 'LEASE_EXISTS' },
  {
    match: /user name is empty/,
    code: 'PERMISSION',
    hint: (side) =>
      `This etcd wants a user: give ${flag(side, 'user')} and ${flag(side, 'password-file')}, or a client certificate whose common name is a user.`,
  },
  {
    match: /authentication failed/,
    code: 'PERMISSION',
    hint: (side) =>
      `Check ${flag(side, 'user')} and its password. Where the password is given on its own, all of ${flag(side, 'user')} is the name, a colon included.`,
  },
  {
    match: /permission denied/,
    code: 'PERMISSION',
    hint: (side) =>
      `The user of the ${side} lacks a role for this. docs/access.md has the least that it takes.`,
  },
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
  return (
    rawText(error)
      .replace(/^\d+ [A-Z_]+: /, '')
      .replace(/^No connection established\. Last error: (Error: )?/, '')
      .replace(/\.? ?Resolution note: ?.*$/s, '')
      .trim()
      // grpc-js has no reason for a connection that ended before it began.
      .replace(/^(undefined|null||Failed to connect .*)$/, 'no connection came about')
  );
}

function rawText(error: unknown): string {
  if (isServiceError(error)) return error.details ?? GARBLED;
  return error instanceof Error ? error.message : String(error);
}

/** As grpc-js makes it of a status, whatever that may be. */
interface ServiceError extends Error {
  code: unknown;
  details?: string;
}

/** Where grpc-js has stumbled over it, and has no words. */
const GARBLED = 'what it has sent is no gRPC';

/**
 * grpc-js's, with a status; a Node error has a code, too, which is a word. Of a status that a peer has made
 * up, and of one without a code, which stands for bytes that are no message, the metadata tell whose it is.
 */
function isServiceError(error: unknown): error is ServiceError {
  if (!(error instanceof Error && 'details' in error && 'code' in error)) return false;
  return isStatus(error.code) || ('metadata' in error && error.metadata instanceof Metadata);
}

/** What is none of gRPC's counts as unknown, as gRPC wants it. */
function statusOf(error: unknown): number {
  return isServiceError(error) && isStatus(error.code) ? error.code : Code.UNKNOWN;
}

function isStatus(code: unknown): code is number {
  return typeof code === 'number' && code in Code;
}

/** Whether a call failed for want of a connection, before anything of it was sent. */
export function isNotSent(error: unknown): boolean {
  return rawText(error).includes('No connection established');
}

/** Whether etcd refused a call, which then had no effect, for a token that was good once. */
export function isStaleToken(error: unknown): boolean {
  return /invalid auth token|revision of auth store is old|user name is empty/.test(rawText(error));
}

/** Whether etcd takes no request of so many bytes; not of so many operations. */
export function isTooManyBytes(error: unknown): error is LockstepError {
  return hasCode(error, 'REQUEST_TOO_LARGE') && REQUEST_BYTES.test(plainText(error.cause));
}

/** Whether there is no need for a token. */
export function isAuthOff(error: unknown): boolean {
  return rawText(error).includes('authentication is not enabled');
}

/** Whether no connection came about, and the error does not say why. */
export function isUnclear(error: unknown): boolean {
  if (isNotConnected(plainText(error))) return true;
  return isNotSent(error) && !CLEAR.test(rawText(error));
}

/** What the system says is what it is, but for connections that are closed on us. */
const CLEAR =
  /ECONNREFUSED|ENOTFOUND|EAI_AGAIN|UNREACH|TIMEDOUT|ENOENT|EACCES|EPERM|ADDRNOTAVAIL|FILE/;

/** Which etcd an error is about, and what it was shown. */
export interface About {
  side: Side;
  endpoint: string;
  tls?: TlsMaterial | undefined;
  /** Whether it has answered us before: then even TLS may work again later. */
  answered?: boolean;
}

/**
 * What gRPC or the network said of a call. UNAVAILABLE also stands for "nobody knows whether the call
 * took effect": the caller has to look.
 * @returns anything else as it is: it is a bug, which another try does not mend
 */
export function mapError(error: unknown, about: About): unknown {
  const fault = isServiceError(error) ? error : asPeerFault(error);
  if (!isServiceError(fault) && !(fault instanceof PeerFault)) return error;
  const { side, endpoint } = about;
  const text = plainText(fault);
  const rule =
    diagnosed(fault) ??
    RULES.find((r) => r.match.test(text)) ??
    httpRule(text, about) ??
    tlsRule(text, about) ??
    networkRule(text, endpoint);
  const code = statusOf(fault);
  const { code: ours, hint, say } = rule ?? fallback(code, endpoint);
  return new LockstepError(ours, `${side} ${endpoint}: ${say ?? text}`, {
    side,
    cause: error,
    hint: hint?.(side),
  });
}

/** A rule that was made for one error. */
type Found = Omit<ErrorRule, 'match'>;

function diagnosed(error: unknown): Found | undefined {
  if (!(error instanceof Diagnosis)) return undefined;
  const { fault: code, message: say, hint } = error;
  return { code, say, hint };
}

/** These statuses are a proxy's, of what is behind it now; grpc-js takes them for UNAVAILABLE, too. */
const PASSING_STATUS = ['429', '502', '503', '504'];

/** What speaks HTTP/2 and is no gRPC server, or one of somebody else. */
function httpRule(text: string, { answered }: About): Found | undefined {
  const [, httpStatus] = /^Received HTTP status code (\d+)/.exec(text) ?? [];
  const other = /unknown service etcdserverpb|does not implement the method/.test(text);
  if (httpStatus === undefined && !other) return undefined;
  const who = httpStatus === undefined ? 'another gRPC server' : `an HTTP server (${httpStatus})`;
  if (!answered && !PASSING_STATUS.includes(httpStatus ?? '')) return diagnosed(notEtcd(who));
  return {
    code: 'UNAVAILABLE',
    say: `${who} answers there in place of etcd`,
    hint: () => 'Is there a proxy before it that cannot reach it now?',
  };
}

function networkRule(text: string, endpoint: string): Found | undefined {
  const fault = networkFault(text, endpoint);
  if (!fault) return undefined;
  const { what: say, hint = askIt(endpoint) } = fault;
  return { code: 'UNAVAILABLE', say, hint: () => hint };
}

function tlsRule(text: string, { tls, answered, endpoint }: About): Found | undefined {
  const fault = tlsFault(text, tls);
  return (
    fault && {
      code: answered ? 'TLS_LOST' : 'TLS',
      say: asScheme(fault.what, endpoint),
      hint: (side) =>
        asScheme(
          fault.hint((name) => flag(side, name), side),
          endpoint,
        ) + peerPort(endpoint),
    }
  );
}

/** Where it is a socket of this machine, that has its own names for both. */
function asScheme(text: string, endpoint: string): string {
  return isUnixUrl(endpoint) ? text.replace(/http(s?):/g, 'unix$1:') : text;
}

/** It has certificates of its own, so that nothing fits there. */
function peerPort(endpoint: string): string {
  return /:2380\/?$/.test(endpoint)
    ? ' Port 2380 is for the members among themselves as a rule; clients are served at 2379.'
    : '';
}

/** Two of the endpoints that were given belong to different clusters. */
export function endpointsDiffer(side: Side, first: string, other: string): LockstepError {
  return new LockstepError(
    'ENDPOINTS_DIFFER',
    `${side} ${other} is another cluster than ${first}`,
    {
      side,
      hint: `Give members of one cluster to ${flag(side, 'endpoints')}. Nothing was asked of the other one.`,
    },
  );
}

/** A refusal, with what the user would have to be allowed to. */
export function namingNeed(error: unknown, need: string): unknown {
  if (!hasCode(error, 'PERMISSION') || !error.message.includes('permission denied')) return error;
  return error.as({ message: `${error.message}: ${need}` });
}

/** A token that was refused in the middle of a stream: the next call brings another one. */
export function tokenRefused(error: unknown, { side, endpoint }: About): LockstepError {
  return new LockstepError('UNAVAILABLE', `${side} ${endpoint}: ${plainText(error)}`, {
    side,
    cause: error,
  });
}

/** Why etcd ended a watch, in its own words. */
export function mapCancelReason(reason: string, side: Side): LockstepError {
  const why = reason === '' ? 'it gave no reason' : reason.replace(/^rpc error: .* desc = /, '');
  const refused = /permission denied|user name is empty/.test(reason);
  return new LockstepError(
    refused ? 'PERMISSION' : 'UNAVAILABLE',
    `the ${side} cancelled the watch: ${why}`,
    { side, hint: refused ? WATCH_ROLE_HINT : undefined },
  );
}

const WATCH_ROLE_HINT =
  'One watch covers all prefixes: the role must be allowed to read everything from the first prefix to the last, and the whole store where the version of the source makes us watch that (docs/access.md).';

function askIt(endpoint: string): string {
  return `Check that an etcd answers there: etcdctl --endpoints ${endpoint} endpoint status.`;
}

function fallback(code: number, endpoint: string): Found {
  if (code === (Code.PERMISSION_DENIED as number) || code === (Code.UNAUTHENTICATED as number))
    return {
      code: 'PERMISSION',
      hint: (side) => `Check the credentials and roles for the ${side}.`,
    };
  if (RETRY.has(code))
    return {
      code: 'UNAVAILABLE',
      hint: () => askIt(endpoint),
    };
  return { code: 'ETCD' };
}
