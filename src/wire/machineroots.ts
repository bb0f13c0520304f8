/**
 * Which CAs are trusted where none is given: the machine's own, as etcdctl and kubectl have it.
 *
 * Node brings a list of its own, which knows nothing of a CA that was installed on the machine, and
 * takes it where it is not told otherwise. Node 20 cannot tell what the machine's are.
 */
import * as tls from 'node:tls';

/** From Node 22.15 and 23.10 on. */
interface NodeCAs {
  getCACertificates?: (type: 'system' | 'extra') => string[];
}

/**
 * @returns certificates in PEM; undefined where Node cannot tell, or the machine has none: then
 *   Node's own list counts
 */
export function machineRoots({ getCACertificates }: NodeCAs = tls as NodeCAs): Buffer | undefined {
  const system = getCACertificates?.('system') ?? [];
  if (!getCACertificates || system.length === 0) return undefined;
  // Those of NODE_EXTRA_CA_CERTS.
  return Buffer.from([...system, ...getCACertificates('extra')].join('\n'));
}
