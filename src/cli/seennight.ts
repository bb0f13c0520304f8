/**
 * A cutover, a rollback or a fence that is seen while it goes on (--listen) and reported at its end (--report),
 * whatever that end is.
 *
 * Neither may touch the night: what they fail with is told, and that is all. And the same command has to go
 * on, as the runbook says: the report of the run that was stopped lies there by then, so this one's gets the
 * next free name, and nothing is written over.
 */
import type { ListenAddress } from '../config/listenaddress.js';
import type { FromFile } from '../config/parse.js';
import type { NightEvent } from '../cutover/nightevents.js';
import { NightLog, type NightCommand, type NightEnd } from '../cutover/nightlog.js';
import type { ApiServer } from '../kube/api.js';
import { nightLine } from '../listen/nightline.js';
import { nightView } from '../listen/nightview.js';
import type { Migration } from '../migration.js';
import { freeName } from '../newfile.js';
import { nightFactsOf } from '../report/nightfacts.js';
import type { Context } from './command.js';
import { listening, type Showing } from './listening.js';
import { Reports } from './reports.js';

interface SeenOptions {
  margin: number;
  listen?: ListenAddress;
  readyLag: number;
  report?: readonly string[];
  fromFile?: FromFile;
}

/** What `--report` is of these, in the help. */
export const NIGHT_REPORT =
  'write a report of the night, however it ends: FILE.html, FILE.json or both; where one is there already it gets a number';

/** An etcd that has not answered by then is left out of the report. */
const CLUSTERS_WITHIN_MS = 5000;

export class SeenNight {
  readonly log: NightLog;
  readonly reports: Reports;

  /** @throws LockstepError BAD_PATH where a report could not be written */
  constructor(
    private readonly command: NightCommand,
    private readonly options: SeenOptions,
    private readonly context: Context,
  ) {
    this.log = new NightLog({ command, margin: options.margin });
    this.reports = new Reports(command, options.report, freeName, options.fromFile);
    context.events.hear((level, text) => {
      this.log.logged(level, text);
    });
  }

  /** Told whatever the night tells, besides who shows it. */
  hearing(show: (event: NightEvent) => void): (event: NightEvent) => void {
    return (event) => {
      this.log.hear(event);
      // A step may take less than the time between two looks.
      if (event.kind === 'step' || event.kind === 'step ended') this.context.hooks?.look();
      show(event);
    };
  }

  /**
   * Runs the night.
   * @param apiservers that have to move, or, if old, to end
   * @throws LockstepError CANNOT_LISTEN before it is begun; what it throws
   */
  async run<E extends NightEnd>(
    migration: Migration,
    apiservers: readonly ApiServer[],
    night: () => Promise<E>,
  ): Promise<E> {
    const { log, options, context } = this;
    log.expect(apiservers.map(({ url }) => url));
    const showing: Showing = {
      view: (facts) => nightView(log.record, facts),
      status: () => ({ night: nightLine(log.record, new Date()) }),
    };
    return listening(options, context, showing, async () => {
      try {
        const end = await night();
        log.ended(end);
        await this.#report(migration);
        return end;
      } catch (error) {
        log.failed(error, context.signal.aborted);
        await this.#report(migration);
        for (const line of this.reports.lines) context.note(line);
        this.reports.end(1, context);
        throw error;
      }
    });
  }

  async #report(migration: Migration): Promise<void> {
    const { command, reports, log, context } = this;
    if (!reports.wanted || command === 'fence') return;
    try {
      const clusters = await migration.clustersNow(AbortSignal.timeout(CLUSTERS_WITHIN_MS));
      reports.write(nightFactsOf(log.record, command, reports.made, clusters));
    } catch (error) {
      context.note(`the report could not be made, which is a bug (${String(error)})`, true);
    }
  }
}
