/**
 * Clients of Kubernetes, as demanding as they can be: at each step one lists pods through each
 * apiserver that answers and will go on from that revision at any other one, and one writes through
 * each that lets it.
 *
 * Somebody who watches from a revision that his etcd has not reached sees nothing until it has. That is
 * harmless as long as nothing happens: while apiservers are moved clients may come back to one that has
 * not moved yet, and it is restarted before any pod is written. So what is looked at is each change of a
 * pod: its revision has to be above all that any client holds.
 *
 * A write is appended to what the pod holds already, so that whatever becomes of it shows: a pod has to
 * have each number that somebody was told is in it.
 */
import { parseKeyValue } from '../../src/mvcc/keyvalue.js';
import type { Revision } from '../../src/mvcc/revision.js';
import type { Side } from './etcd.js';
import { PODS, type KubeServer } from './kube.js';
import type { Store } from './store.js';

/** A write that was told to be accepted. */
interface Accepted {
  pod: string;
  number: number;
  at: string;
}

const KEPT = 2;

export class Clients {
  /** Among them one that is never touched again. */
  readonly accepted: Accepted[] = [];
  /** The highest revision that a list has had, and where it was from. */
  #held = { revision: 0, at: '' };
  #numbers = 0;
  /** Through which apiserver a write goes just now. */
  writingAt: string | undefined;
  /** A pod that somebody has made and deletes next time, where it was made last. */
  readonly #gone = new Map<string, number>();

  constructor(source: Store) {
    source.put(`${PODS}default/still`, '[0]');
    this.accepted.push({ pod: 'default/still', number: 0, at: 'the beginning' });
  }

  list(servers: readonly KubeServer[]): void {
    for (const { store, name, serves, down } of servers)
      if (down === undefined && store.head > this.#held.revision)
        this.#held = { revision: store.head, at: `${name} (${serves})` };
  }

  /** @returns what is wrong with a pod's being changed at that revision */
  miss(revision: Revision, where: Side): string | undefined {
    const { revision: held, at } = this.#held;
    if (revision > held) return undefined;
    return `a pod is changed at revision ${revision} of the ${where}, and a client that has listed ${held} at ${at} never sees it`;
  }

  write(servers: readonly KubeServer[]): void {
    for (const server of servers)
      if (server.down === undefined && !server.frozen) this.writeAt(server.store, server.name);
  }

  /** What an apiserver lets pass; or what it let pass before, and only lands now. */
  writeAt(store: Store, at: string): number {
    this.writingAt = at;
    const number = ++this.#numbers;
    const pod = `default/w${number % KEPT}`;
    store.put(`${PODS}${pod}`, JSON.stringify([...numbersIn(store, pod), number]));
    this.accepted.push({ pod, number, at });
    if (number % 2 === 0) {
      const short = `default/short${number % 3}`;
      if (store.get(`${PODS}${short}`)) {
        store.delete(`${PODS}${short}`);
        this.#gone.set(short, number);
      } else {
        store.put(`${PODS}${short}`, '[]');
        this.#gone.delete(short);
      }
    }
    this.writingAt = undefined;
    return number;
  }

  /**
   * @param excused writes that may be gone
   * @param forgotten an apiserver whose writes may be
   * @returns what is wrong with what is there in the end
   */
  lost(store: Store, excused: ReadonlySet<number>, forgotten?: string): string | undefined {
    const gone = this.accepted.filter(
      ({ pod, number, at }) =>
        !excused.has(number) && at !== forgotten && !numbersIn(store, pod).includes(number),
    );
    const [first] = gone;
    if (first)
      return `${gone.length} accepted writes are lost, first ${first.number} to ${first.pod} at ${first.at}`;
    if (forgotten !== undefined) return undefined;
    const back = [...this.#gone].find(
      ([pod, number]) => !excused.has(number) && store.get(`${PODS}${pod}`),
    );
    return back && `${back[0]} was deleted and is there again`;
  }
}

function numbersIn(store: Store, pod: string): number[] {
  const row = store.get(`${PODS}${pod}`);
  return row ? (JSON.parse(parseKeyValue(row).value.toString()) as number[]) : [];
}
