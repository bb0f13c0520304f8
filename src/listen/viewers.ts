/**
 * Who has the view sent to him as it changes: server-sent events.
 *
 * A view says all, so who is slow misses those in between and nothing else. What he has not read yet is not
 * added to: he gets the next one when the last one has gone out. Who reads nothing for a while is dropped.
 */
import type { ServerResponse } from 'node:http';

/** Of one process; a browser has at most six connections to it. */
const MAX_VIEWERS = 16;
const READS_WITHIN_MS = 5000;

export class Viewers {
  /** Each with the time (monotonic) at which all that was sent to him had gone out. */
  readonly #all = new Map<ServerResponse, number>();

  /** @returns false where there are too many already */
  add(response: ServerResponse, view: string): boolean {
    if (this.#all.size >= MAX_VIEWERS) return false;
    response.writeHead(200, { 'content-type': 'text/event-stream', connection: 'close' });
    this.#all.set(response, performance.now());
    response.on('close', () => this.#all.delete(response));
    response.write(asEvent(view));
    return true;
  }

  /** @param view as JSON, made only where somebody looks */
  tell(view: () => string): void {
    if (this.#all.size === 0) return;
    const event = asEvent(view());
    for (const [response, readMs] of this.#all) {
      if (response.writableLength === 0) {
        this.#all.set(response, performance.now());
        response.write(event);
      } else if (performance.now() - readMs > READS_WITHIN_MS) response.destroy();
    }
  }

  /** Ends them; the last view has to be told before. */
  end(): void {
    for (const response of this.#all.keys()) response.end();
  }
}

/** JSON has no line breaks, and an event ends with an empty line. */
function asEvent(view: string): Buffer {
  return Buffer.from(`event: view\ndata: ${view}\n\n`);
}
