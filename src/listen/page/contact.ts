/**
 * Views as they come by server-sent events, and the line that says whether they do.
 *
 * A page that shows "in lockstep" from ten minutes ago is a lie. So only a view that is newer than the
 * last one, and came at once, counts as a sign of life, whatever the connection looks like; without one the
 * page is dimmed and says since when. Connections are made anew by us and not by the browser's EventSource: that gives
 * up for good when a proxy in between answers with an error, and waits for minutes where nothing answers.
 */
import type { View } from '../view.js';
import { byId, setText } from './elements.js';
import { connectedAnew, heard, lastHeard, rough, silentMs, STALE_MS, timeOfDay } from './times.js';

const AGAIN_MS = 1000;
/** A connection that brings nothing for so long is given up. */
const SILENT_MS = 10_000;

/** `first`: nothing has come yet. */
export type ContactState = 'first' | 'live' | 'lost';

export class Contact {
  #events: EventSource | undefined;
  #sinceMs = 0;
  #trouble = '';
  #lastAt = '';

  constructor(private readonly onView: (view: View) => void) {
    this.#connect();
  }

  get state(): ContactState {
    const silent = silentMs();
    if (silent === null) return 'first';
    return silent < STALE_MS ? 'live' : 'lost';
  }

  /** Shows how it is, and tries again where it has to; to be called again and again. */
  look(): void {
    if (this.#events && Date.now() - this.#sinceMs > SILENT_MS)
      this.#giveUp(this.#trouble || 'connected, but nothing new comes');
    document.body.dataset.contact = this.state;
    setText(byId('contact-text'), this.#text());
  }

  #text(): string {
    const at = lastHeard();
    const why = this.#trouble === '' ? '' : ` (${this.#trouble})`;
    if (!at) return `Waiting for the first answer${why}`;
    if (this.state === 'live') return `Live, ${timeOfDay(at)}`;
    const ago = rough((silentMs() ?? 0) / 1000);
    return `No contact for ${ago}${why}. What is shown is from ${timeOfDay(at)}; trying again`;
  }

  #connect(): void {
    const events = new EventSource('events');
    this.#events = events;
    this.#sinceMs = Date.now();
    connectedAnew();
    events.addEventListener('view', ({ data }: MessageEvent<string>) => {
      this.#came(data);
    });
    events.addEventListener('error', () => {
      this.#giveUp('the connection is lost');
    });
  }

  #giveUp(why: string): void {
    this.#trouble = why;
    this.#events?.close();
    this.#events = undefined;
    setTimeout(() => {
      this.#connect();
    }, AGAIN_MS);
  }

  #came(data: string): void {
    const view = viewIn(data);
    if (!view) {
      this.#trouble = 'what answers is not etcd-lockstep';
      return;
    }
    if (view.at === this.#lastAt) return;
    this.#lastAt = view.at;
    heard(view.at);
    if (this.state === 'live') {
      this.#trouble = '';
      this.#sinceMs = Date.now();
    } else this.#trouble = 'what comes is old';
    this.onView(view);
  }
}

/** Undefined for what is no view: somebody else may have the port now, or a proxy answers for us. */
function viewIn(data: string): View | undefined {
  try {
    const view = JSON.parse(data) as Partial<View> | null;
    const ours = typeof view?.sentence === 'string' && !Number.isNaN(Date.parse(view.at ?? ''));
    return ours ? (view as View) : undefined;
  } catch {
    return undefined;
  }
}
