/** The alarm CORRUPT, without any damage. */
import type { Etcd } from './etcd.js';
import { AlarmAction, AlarmType, withEtcd3 } from './etcd3.js';

/** Raises the alarm that etcd raises where members do not have the same. */
export async function raiseCorrupt(etcd: Etcd): Promise<void> {
  await withEtcd3(etcd, ({ maintenance }) =>
    maintenance.alarm({
      ...{ action: AlarmAction.Activate, memberID: 1, alarm: AlarmType.Corrupt },
    }),
  );
}
