/** Whether the target could be written by proposals. Nothing is proposed: a plan changes nothing. */
import { isUnreachable, hasCode } from '../errors.js';
import { Peers, type PeersOptions } from '../target/peers.js';
import type { EtcdClient } from '../wire/client.js';
import { check, notAsked, ok, warn, type Check } from './check.js';

export async function peerPort(
  target: EtcdClient,
  options: PeersOptions | undefined,
): Promise<Check> {
  if (!options)
    return check(
      'peer port',
      notAsked('Without --dest-peers it is not used: follow writes by transactions.'),
    );
  const peers = new Peers(target, options);
  try {
    const { where } = await peers.open();
    return check('peer port', ok(`A member answers at ${where}: follow can write by proposals.`));
  } catch (error) {
    if (isUnreachable(error)) return check('peer port', notAsked('The target is not up.'));
    if (!hasCode(error, 'PEER_PORT', 'PERMISSION')) throw error;
    const { message, hint } = error;
    return check(
      'peer port',
      warn(
        `It cannot be used, and follow would write by transactions: ${message}.`,
        hint ??
          'Check --dest-peers and its certificates, and whether this host may reach that port.',
      ),
    );
  } finally {
    peers.close();
  }
}
