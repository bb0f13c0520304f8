/** Why no answer came from an apiserver, in plain words. */
import { LockstepError } from '../errors.js';
import { NETWORK } from '../wire/networkfault.js';
import { tlsFault } from '../wire/tlsfault.js';

/** An answer that we have given up. */
const GIVEN_UP: Record<string, string> = { ABORT_ERR: 'no answer in 10 s' };

/**
 * @param asked the request, for the message
 * @param url the apiserver's, for the hint
 * @returns TLS where certificates do not fit, KUBE_UNAVAILABLE else
 */
export function kubeFault(error: unknown, asked: string, url: string): LockstepError {
  if (error instanceof LockstepError) return error;
  const { code, text } = partsOf(error);
  const tls = url.startsWith('https:') ? tlsFault(text) : undefined;
  if (tls)
    return new LockstepError('TLS', `${asked}: ${tls.what}`, {
      disposition: 'usage',
      hint: tlsHint(text),
      cause: error,
    });
  return new LockstepError(
    'KUBE_UNAVAILABLE',
    `${asked}: ${GIVEN_UP[code] ?? NETWORK[code] ?? text}`,
    {
      disposition: 'retry',
      hint: `Check that an apiserver runs at ${url} (curl -k ${url}/readyz) and can be reached from here, then run the same command again.`,
      cause: error,
    },
  );
}

/** Where a name has several addresses Node gives one error for each, and no text. */
function partsOf(error: unknown): { code: string; text: string } {
  const first: unknown =
    error instanceof AggregateError && error.errors.length > 0 ? error.errors[0] : error;
  const { code = '', message = String(first) } = first as { code?: unknown; message?: string };
  return { code: String(code), text: `${message} ${String(code)}`.trim() };
}

function tlsHint(text: string): string {
  if (/altnames/.test(text))
    return 'Give an address to --apiservers that its certificate is for, or a name of it as tls-server-name in the kubeconfig.';
  if (/expired|not.yet.valid/i.test(text))
    return "Renew the apiserver's certificate, or check both machines' clocks.";
  if (/self.signed|unable to (verify|get)|signature|invalid CA/i.test(text))
    return 'Give the CA that signed its certificate as certificate-authority in the kubeconfig.';
  return 'Check http:// or https:// in --apiservers and in the kubeconfig, and the client certificate there.';
}
