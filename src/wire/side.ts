/** The two etcds, and what their flags are called. */

/** Which etcd an error is about; stands in every message. */
export type Side = 'source' | 'target';

/** `--cacert` for the source, `--dest-cacert` for the target. */
export function flag(side: Side, name: string): string {
  return side === 'source' ? `--${name}` : `--dest-${name}`;
}
