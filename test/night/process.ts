/**
 * A machine on which one command runs, as the others see it: what it asks of etcds, apiservers, hooks
 * and of the operator. The code in between takes no time, so a process that is stopped or dead is one
 * whose calls go nowhere.
 */

/** Whom it is to. */
export type Kind = 'etcd' | 'kube' | 'hook' | 'prompt';

/** A call that has not been carried out yet. */
export interface Call {
  kind: Kind;
  label: string;
  /** Whether it matters when it is carried out. */
  matters: boolean;
  /** The number of the step before which it was made. */
  madeAt: number;
  carryOut: () => void;
  refuse: (why: unknown) => void;
}

export class Process {
  alive = true;
  /** SIGSTOP: nothing of it goes on. */
  stopped = false;
  /** What it does from here on takes no time in which others could do anything. */
  inOneGo = false;
  readonly abort = new AbortController();
  /** Made, and waiting for their turn. */
  calls: Call[] = [];
  /** What it has looked at since it did something last. */
  readonly #looked = new Set<string>();

  /** @param step the number of the next step */
  constructor(
    readonly name: string,
    readonly step: () => number,
  ) {}

  /** Carries a call out when it is its turn; at once if it does not matter when. */
  async call<T>(kind: Kind, label: string, matters: boolean, serve: () => T): Promise<T> {
    // Nobody runs the code of a dead process, but what it waited for may still have come.
    if (!this.alive) return new Promise<never>(() => undefined);
    const counts = matters && this.#isNew(label);
    if ((!counts || this.inOneGo) && !this.stopped) return serve();
    return new Promise<T>((resolve, reject) => {
      this.calls.push({
        kind,
        label,
        matters: counts,
        madeAt: this.step(),
        carryOut: () => {
          try {
            const answer = serve();
            if (this.alive) resolve(answer);
          } catch (error) {
            if (this.alive) reject(asError(error));
          }
        },
        refuse: reject,
      });
    });
  }

  /**
   * Whoever looks at the same thing again, and has done nothing in between, may as well be stopped before
   * the first look, or before what he does next. In loops of looks nearly all are of this kind.
   */
  #isNew(label: string): boolean {
    const look = /(?:: read |: GET freeze).*/.exec(label)?.[0];
    if (look === undefined) this.#looked.clear();
    else if (this.#looked.has(look)) return false;
    else this.#looked.add(look);
    return true;
  }

  /** The next call that matters, with those that go with it: fillers are sent in dozens. */
  get next(): Call[] {
    const [first] = this.calls;
    return first ? this.calls.filter(({ label }) => label === first.label) : [];
  }

  carryOut(calls: readonly Call[]): void {
    this.calls = this.calls.filter((call) => !calls.includes(call));
    for (const call of calls) call.carryOut();
  }

  /** SIGCONT. */
  resume(): void {
    this.stopped = false;
    this.carryOut(this.calls.filter(({ matters }) => !matters));
  }

  /** Ctrl-C. A prompt and a hook end by it, other calls come to their end. */
  interrupt(): void {
    this.abort.abort();
    const cut = this.calls.filter(({ kind }) => kind === 'prompt' || kind === 'hook');
    this.calls = this.calls.filter((call) => !cut.includes(call));
    for (const { refuse } of cut) refuse(this.abort.signal.reason);
  }

  /** SIGKILL. @returns what is on its way */
  kill(): Call[] {
    this.alive = false;
    const { calls } = this;
    this.calls = [];
    // Its code must not go round in circles for ever.
    this.abort.abort();
    return calls;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
