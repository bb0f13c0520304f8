/** Whether something holds exactly what the source had at one revision, history included. */
import { PREFIXES } from '../oracle/history.js';
import { compareRows, rowsOf, type OracleRows } from '../oracle/rows.js';
import type { Etcd } from '../rig/etcd.js';

/**
 * The source's rows up to the head of `taken`, which is older, against its own. The source may not
 * have compacted above that head.
 * @returns the first difference; undefined if there is none
 */
export async function differsFromSource(
  source: Etcd,
  taken: OracleRows,
): Promise<string | undefined> {
  const { rows, compactRevision } = await rowsOf(source, PREFIXES);
  const { head } = taken;
  return compareRows(
    { head, compactRevision, rows: rows.filter(({ main }) => main <= head) },
    taken,
  );
}

/** The target, however far it is. */
export async function targetDiffers(source: Etcd, target: Etcd): Promise<string | undefined> {
  return differsFromSource(source, await rowsOf(target, PREFIXES));
}
