/** What the network or a peer did, told apart from a bug of ours, which nobody may try again. */

import { LockstepError } from '../errors.js';

/** Node's own errors of sockets, TLS and streams carry a code; so do those of files, and of bugs (`ERR_…`). */
const OF_THE_NETWORK =
  /^(E(?!RR_)[A-Z]|HPE_|ERR_(TLS|SSL|OSSL|HTTP2|STREAM_PREMATURE_CLOSE)|.*(CERT|SIGNATURE|CRL|_CA$))/;

/** No answer, or one that is none, where no library has an error of its own for it. */
export class PeerFault extends Error {
  /** Node's, where it has one: `ECONNREFUSED`, `CERT_HAS_EXPIRED`. */
  readonly code: string;

  constructor(message: string, { code = '', cause }: { code?: string; cause?: unknown } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/**
 * What was told of a socket, or of what is behind it, as such a fault; any other error stays what it is.
 * Where a name has several addresses Node gives one error for each, and no text.
 */
export function asPeerFault(error: unknown): unknown {
  if (error instanceof PeerFault || error instanceof LockstepError) return error;
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  const code = codeOf(first);
  if (!(first instanceof Error) || !OF_THE_NETWORK.test(code)) return error;
  return new PeerFault(first.message, { code, cause: error });
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
