/** What processes cost: processor time and memory, as Linux says in /proc. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Child } from '../../test/rig/child.js';

/** USER_HZ, the same on all Linux machines that etcd is built for. */
const TICKS_PER_SECOND = 100;
const SAMPLE_MS = 20;
const BUSY_MS = 500;
/** What a machine that does nothing else may be busy with. */
export const QUIET_CORES = 0.2;

export interface Usage {
  seconds: number;
  /** User and system together. */
  cpuSeconds: number;
  /** Largest seen of what is neither file nor shared: heap, buffers, LevelDB's cache. */
  anonymousMiB: number;
  /** Largest resident set, mapped files included, as the kernel keeps it. */
  residentMiB: number;
}

function proc(file: string): string | undefined {
  try {
    return readFileSync(`/proc/${file}`, 'utf8');
  } catch {
    return undefined; // it has ended
  }
}

/** Seconds of processor time that it has used so far; undefined when it has ended. */
export function cpuSeconds(pid: number): number | undefined {
  // The name, in brackets, may hold anything; utime and stime are the 12th and 13th behind it.
  const fields = proc(`${pid}/stat`)?.split(') ').at(-1)?.split(' ');
  if (!fields) return undefined;
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** What it holds now of what is neither file nor shared; 0 when it has ended. */
export function anonymousMiB(pid: number): number {
  return mib(proc(`${pid}/status`) ?? '', 'RssAnon');
}

/** How many cores are busy now, whoever with; also with other machines, where this one is virtual. */
export async function busyCores(): Promise<number> {
  const ticks = (): number => {
    const all = proc('stat')?.split('\n')[0]?.trim().split(/\s+/).slice(1).map(Number) ?? [];
    const [user = 0, nice = 0, system = 0, _idle, _wait, irq = 0, soft = 0, steal = 0] = all;
    return user + nice + system + irq + soft + steal;
  };
  const [before, started] = [ticks(), performance.now()];
  await sleep(BUSY_MS);
  return ((ticks() - before) / TICKS_PER_SECOND) * (1000 / (performance.now() - started));
}

function mib(status: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0) / 1024;
}

/** Watches one process from now on. */
export class Meter {
  readonly #started = performance.now();
  readonly #timer: NodeJS.Timeout;
  #cpu = 0;
  #anonymous = 0;
  #resident = 0;

  constructor(readonly pid: number) {
    this.#timer = setInterval(() => {
      this.#sample();
    }, SAMPLE_MS);
  }

  #sample(): void {
    const status = proc(`${this.pid}/status`);
    if (status === undefined) return;
    this.#cpu = cpuSeconds(this.pid) ?? this.#cpu;
    this.#anonymous = Math.max(this.#anonymous, mib(status, 'RssAnon'));
    this.#resident = Math.max(this.#resident, mib(status, 'VmHWM'));
  }

  /** What it was until now, or until its end. */
  stop(): Usage {
    this.#sample();
    clearInterval(this.#timer);
    return {
      seconds: (performance.now() - this.#started) / 1000,
      cpuSeconds: this.#cpu,
      anonymousMiB: this.#anonymous,
      residentMiB: this.#resident,
    };
  }
}

/** Waits for the end of a process. @throws with its last words, if it failed */
export async function measured(child: Child, log: string): Promise<Usage> {
  const meter = new Meter(child.pid);
  await child.exit();
  const usage = meter.stop();
  if (child.ended() !== 'exit code 0')
    throw new Error(`${child.ended() ?? ''}: ${log}\n${child.lastLines(20)}`);
  return usage;
}
