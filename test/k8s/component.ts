import { join } from 'node:path';
import { Child } from '../rig/child.js';
import { kubeProgram, type KubeProgram } from './binaries.js';
import type { Pki } from './pki.js';

/**
 * An apiserver that is told to end waits up to a minute for clients that keep their connections
 * open, though it does not listen any more. Whoever runs one kills it after a while.
 */
const STOPPED_WITHIN_MS = 1_000;

/** One process of the control plane, which logs into the cluster's folder. */
export class Component {
  readonly #program: KubeProgram;
  readonly #log: string;
  #args: readonly string[];
  #child: Child;

  constructor(pki: Pki, program: KubeProgram, name: string, args: readonly string[]) {
    this.#program = program;
    this.#log = join(pki.dir, `${name}.log`);
    this.#args = args;
    this.#child = this.#spawn();
  }

  #spawn(): Child {
    return new Child(kubeProgram(this.#program), this.#args, this.#log);
  }

  get logFile(): string {
    return this.#log;
  }

  /** Of the process now; only `restart()` changes it. */
  get pid(): number {
    return this.#child.pid;
  }

  /** How it ended, undefined while it runs. */
  ended(): string | undefined {
    return this.#child.ended();
  }

  lastLines(n: number): string {
    return this.#child.lastLines(n);
  }

  /** SIGTERM, and SIGKILL where that does not help. */
  async stop(): Promise<void> {
    await this.#child.stop(STOPPED_WITHIN_MS);
  }

  async kill(): Promise<void> {
    await this.#child.kill();
  }

  /** Stops it if it runs, and starts it again, with other flags where they are given. */
  async restart(args: readonly string[] = this.#args): Promise<void> {
    await this.stop();
    this.#args = args;
    this.#child = this.#spawn();
  }
}
