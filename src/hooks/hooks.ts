/**
 * All hooks of one command: what it shows and what it logs as an error becomes events, and each hook is told
 * of each.
 *
 *     view ─► happened.ts ─┐
 *     errors in the log ───┼─► event ─► each hook's queue
 *     how it ends ─────────┘
 *
 * Nothing here may touch the work: all of it returns at once, but for the short wait at the end, and a bug in
 * here is a warning.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { OnNote } from '../async/patience.js';
import { CUTOVER_STEPS } from '../cutover/script.js';
import type { View } from '../listen/view.js';
import { tellCommand } from './commandhook.js';
import { EventHook } from './eventhook.js';
import type { EndedBy, Happened, Told } from './events.js';
import { Happenings } from './happened.js';
import { post, shownUrl } from './webhook.js';

const LOOKS_EVERY_MS = 1000;

export interface HooksOptions {
  /** Shell commands. */
  commands: readonly string[];
  urls: readonly URL[];
  /** That they are hooks of: `follow`. */
  command: string;
  onNote: OnNote;
  /** All of it is a rehearsal: they are told so, and a pager stays silent. */
  rehearsal?: boolean;
  /** How long what is told as lasting has lasted; default: 30 s. */
  lastsMs?: number;
}

/** What a command shows of itself (cli/listening.ts). */
export interface Seen {
  view: () => View;
  /** Folder of the reports of its audits; undefined: it makes none. */
  reports: string | undefined;
}

export class Hooks {
  readonly #hooks: readonly EventHook[];
  readonly #run = randomBytes(8).toString('hex');
  #told = 0;
  #seen: (Seen & { happenings: Happenings }) | undefined;
  #about: Pick<Told, 'clusters' | 'prefixes'> = {
    clusters: { source: null, target: null },
    prefixes: [],
  };
  #broken = false;

  constructor(private readonly o: HooksOptions) {
    const { commands, urls, onNote, rehearsal = false } = o;
    const number = (i: number) => (commands.length > 1 ? ` (number ${i + 1})` : '');
    this.#hooks = [
      ...commands.map((command, i) => {
        const name = `--on-event${number(i)}`;
        return new EventHook(
          name,
          ({ event }, ...to) => tellCommand(command, { event, rehearsal }, ...to),
          onNote,
        );
      }),
      ...urls.map((url) => {
        const name = `--webhook ${shownUrl(url)}`;
        return new EventHook(name, (_, ...to) => post(url, ...to), onNote);
      }),
    ];
  }

  /** Looks at what it shows again and again while it works. */
  async watch<T>(seen: Seen, work: () => Promise<T>): Promise<T> {
    this.#seen = { ...seen, happenings: new Happenings(seen.reports, this.o.lastsMs) };
    const timer = setInterval(() => {
      this.look();
    }, LOOKS_EVERY_MS);
    try {
      return await work();
    } finally {
      clearInterval(timer);
      this.look();
    }
  }

  /** Now, as something has just happened that the next look could miss. Never throws. */
  look(): void {
    const seen = this.#seen;
    if (!seen) return;
    try {
      const view = seen.view();
      this.#about = { clusters: view.clusters, prefixes: view.prefixes };
      for (const one of seen.happenings.look(view, performance.now())) this.#tell(one);
    } catch (error) {
      if (!this.#broken)
        this.o.onNote(
          `what hooks are told has failed, which is a bug (${String(error)}); the work goes on`,
          true,
        );
      this.#broken = true;
    }
  }

  alarm(text: string): void {
    this.#tell({ event: 'alarm', text, incident: null });
  }

  /**
   * Tries each with the first step of a night.
   * @returns those that could not be told, and why
   */
  async rehearse(): Promise<{ name: string; why: string }[]> {
    const told = this.#toldOf({
      ...{ event: 'step', step: 'preflight', number: 1, of: CUTOVER_STEPS.length },
      ...{ state: 'begun', seconds: null, frozenAt: null, incident: null },
      text: 'A rehearsal: this would be the first step of a night.',
    });
    const tried = await Promise.all(
      this.#hooks.map(async (hook) => ({ name: hook.name, why: await hook.try(told) })),
    );
    return tried.filter(({ why }) => why !== '');
  }

  /** The last one. Waits a little until it is told; what hangs then is ended. */
  async end(exitCode: number, error: EndedBy): Promise<void> {
    const how = error ? `: ${error.message}${error.code === null ? '' : ` [${error.code}]`}` : '';
    const text = `${this.o.command} has ended with exit code ${exitCode}${how}.`;
    this.#tell({ event: 'end', exitCode, error, text, incident: null });
    await Promise.all(this.#hooks.map((hook) => hook.end()));
  }

  #tell(happened: Happened): void {
    const told = this.#toldOf(happened);
    for (const hook of this.#hooks) hook.tell(told);
  }

  #toldOf(happened: Happened): Told {
    return {
      ...{ version: 1, event: happened.event, id: `${this.#run}-${++this.#told}` },
      ...{ at: new Date().toISOString(), host: hostname(), command: this.o.command },
      rehearsal: this.o.rehearsal ?? false,
      ...this.#about,
      ...happened,
    };
  }
}
