/**
 * The etcd3 package: a client that shares no code with `src/`, for what the tests do to a server, and for
 * what they see in it. Why it is no more than that: src/wire/etcd3.ts.
 */
import { Client } from '@grpc/grpc-js';
import { noop } from 'cockatiel';
import { Etcd3 } from 'etcd3';
import type { ClientAddress } from './rpc.js';
import { rigCredentials } from './tls.js';

export { AlarmAction, AlarmType } from 'etcd3';

const ANSWERS_WITHIN_MS = 30_000;

/** No proxy, answers as large as they come, and certificates that nobody should accept. */
const CHANNEL_OPTIONS = {
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_http_proxy': 0,
  'grpc.max_receive_message_length': -1,
  'grpc.ssl_target_name_override': 'localhost', // Node warns of an IP address as a server name
};

/** What is asked is asked once. Closed by whoever has it. */
export function etcd3At({ port, tls }: ClientAddress): Etcd3 {
  const hosts = `127.0.0.1:${port}`;
  const client = new Client(hosts, rigCredentials(tls), CHANNEL_OPTIONS);
  return new Etcd3({
    hosts,
    grpcOptions: { channelOverride: client.getChannel() as object },
    defaultCallOptions: () => ({ deadline: Date.now() + ANSWERS_WITHIN_MS }),
    faultHandling: { host: () => noop, global: noop },
  });
}

export async function withEtcd3<T>(
  { address }: { readonly address: ClientAddress },
  use: (etcd: Etcd3) => Promise<T>,
): Promise<T> {
  const etcd = etcd3At(address);
  try {
    return await use(etcd);
  } finally {
    etcd.close();
  }
}
