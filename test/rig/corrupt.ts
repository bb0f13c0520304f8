/** The alarm CORRUPT, without any damage. */
import { Client, credentials } from '@grpc/grpc-js';
import type { Etcd } from './etcd.js';

/** AlarmRequest: 1 action = ACTIVATE, 2 memberID, 3 alarm = CORRUPT. */
const ACTIVATE = Buffer.from([0x08, 1, 0x10, 1, 0x18, 2]);

/** Raises the alarm that etcd raises where members do not have the same. */
export async function raiseCorrupt(etcd: Etcd): Promise<void> {
  const client = new Client(`127.0.0.1:${etcd.clientPort}`, credentials.createInsecure());
  await new Promise<void>((resolve, reject) => {
    client.makeUnaryRequest(
      '/etcdserverpb.Maintenance/Alarm',
      (message: Buffer) => message,
      (bytes) => bytes,
      ACTIVATE,
      (error) => {
        if (error) reject(error);
        else resolve();
      },
    );
  });
  client.close();
}
