/**
 * What a night tells while it goes on: one kind of event for each thing that somebody may want to see.
 *
 * Who only wants the steps looks at one kind; who keeps a record of all (nightlog.ts) at each. Nobody can
 * hold the night up or end it: a listener that throws is told of, and the night goes on.
 *
 * Tried and dropped: a callback for each of these. There were five, most of them empty wherever they were
 * given, and a sixth fact would have changed every place that conducts a night.
 */
import type { OnNote } from '../async/patience.js';
import type { AuditReport } from '../audit/report.js';
import type { LockstepError } from '../errors.js';
import type { Resource } from '../kube/resource.js';
import type { Revision } from '../mvcc/revision.js';
import type { Heads, Serving } from '../proof/servedfrom.js';
import type { CutoverState } from '../target/cutoverstate.js';
import type { NightStep } from './steps.js';

/** What is moved, and by whom. */
export interface Moving {
  resources: readonly Resource[];
  /** Of this run. A later run, which may move an apiserver back, has a higher one. */
  epoch: Revision;
}

/** Something that a night tells, in a program as on the command line. */
export type NightEvent =
  /** One begins. */
  | { kind: 'step'; step: NightStep }
  /** One has ended; `failed`: by an error, or because it was stopped. */
  | { kind: 'step ended'; step: string; seconds: number; failed: boolean }
  /** How far long work has come, in words. */
  | { kind: 'progress'; text: string }
  /** The preflight has found what is to be moved. */
  | { kind: 'checked'; prefixes: readonly string[]; resources: readonly string[] }
  /**
   * It is ready, and waits until then; `notReady`: what a preflight says meanwhile. `until` null: its time has
   * come.
   */
  | { kind: 'postponed'; until: string | null; notReady: LockstepError | null }
  /** All keys were compared, while all was live. */
  | { kind: 'audited'; audit: AuditReport }
  /** Every apiserver was seen to refuse writes; `at` is when the first one was. */
  | { kind: 'frozen'; at: Date }
  /** Writes are let in again, everywhere. */
  | { kind: 'thawed'; at: Date }
  /**
   * The target is taken over. `exact` is the last revision at which it was the source's exact copy.
   * `earlier`: by an earlier run, which had come to this phase, and this one is to go on; null: by this run.
   */
  | {
      kind: 'taken over';
      exact: Revision;
      state: CutoverState;
      earlier: CutoverState['phase'] | null;
    }
  /**
   * Both heads, each time that they are asked while one is kept above the other. `ahead` is how far the one
   * is that has to be; zero or less: it was overtaken.
   */
  | { kind: 'heads'; heads: Heads; ahead: number }
  /** From which etcd an apiserver serves, each time that it is asked; `there`: it is where it has to go. */
  | { kind: 'serving'; serving: Serving; there: boolean }
  /** Whenever these have changed: apiservers that are waited for, until they move or, if old, are gone. */
  | { kind: 'waiting'; until: 'moved' | 'gone'; waiting: readonly Serving[]; moving: Moving }
  | { kind: 'alarm'; alarm: string };

/** Must return at once; what it throws is told as a note, and ends nothing. */
export type OnNightEvent = (event: NightEvent) => void;

/** The same, for whoever conducts the night: it never throws. The first failure is told. */
export function unbreakable(onEvent: OnNightEvent, onNote: OnNote): OnNightEvent {
  let told = false;
  return (event) => {
    try {
      onEvent(event);
    } catch (error) {
      if (told) return;
      told = true;
      onNote(
        `who listens to the night has failed, which is a bug there (${String(error)}); the night goes on`,
        true,
      );
    }
  };
}
