/**
 * pull: an async source as an Observable that is asked for its next item only when the last one is stored.
 *
 * rxjs pushes: what an async source has, `from` hands on as fast as it comes, and where storing takes time
 * the rest piles up in memory. Here the source waits instead, and whoever sends to it: the back-pressure
 * goes through to the server. So at most one item is in memory that is not stored.
 */
import { concatMap, Observable, type OperatorFunction } from 'rxjs';

/**
 * Stores the items of each source, one after another; emits what storing has given.
 *
 * Completes, or fails, when the source has ended and nothing is being stored any more. Whoever wants it to
 * end ends the source; unsubscribing tells nobody when the last item is stored.
 */
export function pull<T, R>(
  store: (item: T) => R | Promise<R>,
): OperatorFunction<AsyncIterable<T>, R> {
  return concatMap(
    (source) =>
      new Observable<R>((subscriber) => {
        const pullAll = async () => {
          for await (const item of source) {
            const stored = await store(item);
            if (subscriber.closed) return;
            subscriber.next(stored);
          }
        };
        pullAll().then(
          () => {
            subscriber.complete();
          },
          (error: unknown) => {
            subscriber.error(error);
          },
        );
      }),
  );
}
