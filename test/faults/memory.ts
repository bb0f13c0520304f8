/** What a process holds: LevelDB maps its files, which is no memory of its own, so that is left out. */
import { readFileSync } from 'node:fs';

const MIB = 1024;

/** Anonymous resident memory, MiB. */
export function anonymousMiB(pid: number): number {
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Math.round(Number(kib) / MIB);
}

/** The largest of each third of what was measured. */
export function thirds(samples: readonly number[]): [number, number, number] {
  const third = Math.ceil(samples.length / 3);
  const max = (i: number) => Math.max(...samples.slice(i * third, (i + 1) * third));
  return [max(0), max(1), max(2)];
}
