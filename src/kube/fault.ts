/** Why no answer came from an apiserver, in plain words. */
import { LockstepError } from '../errors.js';
import { NETWORK } from '../wire/networkfault.js';
import { asPeerFault, PeerFault } from '../wire/peerfault.js';
import { tlsFault } from '../wire/tlsfault.js';

/**
 * @param asked the request, for the message
 * @param url the apiserver's, for the hint
 * @returns TLS where certificates do not fit, KUBE_UNAVAILABLE else; a bug as it is
 */
export function kubeFault(error: unknown, asked: string, url: string): unknown {
  const fault = asPeerFault(error);
  if (!(fault instanceof PeerFault)) return error;
  const { code, message } = fault;
  const text = `${message} ${code}`.trim();
  const tls = url.startsWith('https:') ? tlsFault(text) : undefined;
  if (tls)
    return new LockstepError('TLS', `${asked}: ${tls.what}`, {
      side: 'apiserver',
      hint: tlsHint(text),
      cause: error,
    });
  return new LockstepError('KUBE_UNAVAILABLE', `${asked}: ${NETWORK[code] ?? text}`, {
    hint: `Check that an apiserver runs at ${url} (curl -k ${url}/readyz) and can be reached from here, then run the same command again.`,
    cause: error,
  });
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
