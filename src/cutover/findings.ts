/** What a rehearsal has found that a night would stumble over: all of it, not the first alone. */
import { LockstepError, type ErrorCode } from '../errors.js';

/** One thing that a night would stumble over. */
export interface Finding {
  /** `stops`: a night would be refused, or should not be begun. */
  weight: 'stops' | 'warning';
  /** What was looked at: `lockstep`, `audit`, the address of an apiserver. */
  about: string;
  /** Null where a night would have no error for it. */
  code: ErrorCode | null;
  message: string;
  /** What to do; null where the message says it. */
  hint: string | null;
}

export class Findings {
  readonly list: Finding[] = [];

  /** @param onFinding told of each as it is found */
  constructor(private readonly onFinding: (finding: Finding) => void) {}

  get stops(): boolean {
    return this.list.some(({ weight }) => weight === 'stops');
  }

  add(finding: Finding): void {
    this.list.push(finding);
    this.onFinding(finding);
  }

  warn(about: string, message: string, hint: string | null = null): void {
    this.add({ weight: 'warning', about, code: null, message, hint });
  }

  stop(about: string, message: string, hint: string | null = null): void {
    this.add({ weight: 'stops', about, code: null, message, hint });
  }

  /**
   * What a night would be refused with is a finding.
   * @returns undefined where there was one
   * @throws the signal's reason, and what is no error of ours
   */
  async of<T>(about: string, signal: AbortSignal, ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await ask();
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof LockstepError)) throw error;
      const { code, message, hint = null } = error;
      // One that does not answer does so to each question.
      if (!this.list.some((one) => one.about === about && one.code === code))
        this.add({ weight: 'stops', about, code, message, hint });
      return undefined;
    }
  }
}
