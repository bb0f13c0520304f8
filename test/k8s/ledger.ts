/**
 * What became of every write of a test, and whether the store agrees. Each object has one writer,
 * which marks every write with a number of its own (`SEQ`). Then the mark that an object bears says
 * which write it shows: it must be the last accepted one, or a later one that had no answer. A
 * refused one must never be seen.
 */
import { KubeError, type KubeObject } from './client.js';

/** The annotation that says which write an object shows. */
export const SEQ = 'rig/seq';

/** No answer, or one that leaves open whether it has happened. */
export type Outcome = 'accepted' | 'refused' | 'unknown';

export interface Write {
  readonly op: 'create' | 'patch' | 'delete';
  /** Path of the object. */
  readonly path: string;
  readonly seq: number;
  readonly outcome: Outcome;
  /** When it was sent and when its answer came, in ms of `Date.now()`. */
  readonly sent: number;
  readonly answered: number;
  /** What an accepted write has been given. */
  readonly resourceVersion?: number;
  /** Why it was not accepted. */
  readonly message?: string;
}

/** A webhook that cannot be reached is a 500; else only a refusal on purpose says it for certain. */
function isRefusal({ status, body }: KubeError): boolean {
  return status < 500 || /failed calling webhook/.test(body.message ?? '');
}

export class Ledger {
  readonly writes: Write[] = [];
  #seq = 0;

  /** Does a write and writes down what became of it; never throws. */
  async record(
    op: Write['op'],
    path: string,
    send: (seq: number) => Promise<KubeObject>,
  ): Promise<Write> {
    const begun = { op, path, seq: ++this.#seq, sent: Date.now() };
    const write = await send(begun.seq).then(
      (object): Write => ({
        ...begun,
        outcome: 'accepted',
        answered: Date.now(),
        resourceVersion: Number(object.metadata.resourceVersion),
      }),
      (e: unknown): Write => ({
        ...begun,
        outcome: e instanceof KubeError && isRefusal(e) ? 'refused' : 'unknown',
        answered: Date.now(),
        message: (e as Error).message,
      }),
    );
    this.writes.push(write);
    return write;
  }

  count(outcome: Outcome): number {
    return this.writes.filter((write) => write.outcome === outcome).length;
  }

  /** Where what is there differs from what was written; empty where all is well. */
  problems(there: ReadonlyMap<string, KubeObject>): string[] {
    const byPath = new Map<string, Write[]>();
    for (const write of this.writes) {
      const known = byPath.get(write.path);
      if (known === undefined) byPath.set(write.path, [write]);
      else known.push(write);
    }
    return [...byPath].flatMap(([path, writes]) => {
      writes.sort((a, b) => a.seq - b.seq);
      return [...unordered(path, writes), ...misfit(path, writes, there.get(path))];
    });
  }
}

/** Accepted writes of one object must have ever higher resourceVersions. */
function unordered(path: string, writes: readonly Write[]): string[] {
  const revisions = writes.flatMap(({ op, resourceVersion }) =>
    op === 'delete' || resourceVersion === undefined ? [] : [resourceVersion],
  );
  return revisions.flatMap((revision, i) =>
    i > 0 && revision <= revisions[i - 1]!
      ? [`${path}: resourceVersion ${revision} after ${revisions[i - 1]!}`]
      : [],
  );
}

function misfit(path: string, writes: readonly Write[], object: KubeObject | undefined): string[] {
  const last = writes.findLastIndex(({ outcome }) => outcome === 'accepted');
  const possible = writes.filter(
    ({ outcome }, i) => i === last || (i > last && outcome === 'unknown'),
  );
  const mayBeGone = last === -1 || possible.some(({ op }) => op === 'delete');
  if (object === undefined) return mayBeGone ? [] : [`${path}: lost, ${show(writes[last]!)}`];
  if (possible.length === 0) return [`${path}: there, but refused`];
  // A deletion leaves the object for a while, with the mark of the write before.
  if (
    possible.some(({ op }) => op === 'delete') &&
    object.metadata.deletionTimestamp !== undefined
  ) {
    return [];
  }
  const mark = Number(object.metadata.annotations?.[SEQ]);
  if (possible.some(({ op, seq }) => op !== 'delete' && seq === mark)) return [];
  return [`${path}: shows write ${mark}, should be ${possible.map(show).join(' or ')}`];
}

function show({ op, seq, resourceVersion }: Write): string {
  return `${op} ${seq}${resourceVersion === undefined ? '' : ` @${resourceVersion}`}`;
}
