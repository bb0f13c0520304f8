/**
 * A live audit of values: whether both sides hold the same, key by key, where revisions count differently,
 * so that at the moment when nothing may be written hardly anything has to be read.
 *
 *     compare   every key, each side at its own head as it is then, while all is live
 *     watch     both sides from those revisions on
 *     settle    both watches have passed the heads: the keys that are left open are looked up
 *
 * Invariant: a key that is not open has the same value and lease on both sides, as far as each watch has
 * come; and if it was changed since the takeover, the source's revision of it is the higher one. A change opens
 * its key, and the same change on the other side closes it. What was different when all was compared is open
 * from the start, so the sides need not stand at the same moment then.
 *
 * It believes nothing that whoever brings changes over says of himself. Memory: one small entry for each open
 * key, and no more than MAX_OPEN of them.
 */
import { lastValueFrom } from 'rxjs';
import { pause, untilAnswered } from '../async/again.js';
import { Patience, type OnNote } from '../async/patience.js';
import { Lanes, runTogether } from '../async/together.js';
import { LockstepError } from '../errors.js';
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Record as Row } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest } from '../mvcc/tally.js';
import { proven } from '../position.js';
import { watchLimits } from '../source/limits.js';
import { readPrefixes } from '../source/prefixes.js';
import { revisions$ } from '../source/revisions.js';
import { sideBySide } from '../source/rows.js';
import type { WatchBatch } from '../source/watch.js';
import type { EtcdClient } from '../wire/client.js';

interface LiveValuesOptions {
  source: EtcdClient;
  target: EtcdClient;
  prefixes: PrefixSet;
  onNote: OnNote;
}

/** A key as a side has it; `content` null: it is not there. */
interface Held {
  content: string | null;
  at: Revision;
}

interface Side {
  readonly client: EtcdClient;
  readonly clusterId: string;
  readonly version: string;
  position: Revision;
}

type SideName = 'source' | 'target';
/** By its name as latin1: what each side is known to have. */
type Open = Map<string, { source?: Held; target?: Held }>;

/** More of them means that nobody brings the changes over. */
const MAX_OPEN = 100_000;
const LOOKUPS_AT_ONCE = 32;
const POLL_MS = 5;

export class LiveValues {
  readonly #open: Open = new Map();
  readonly #urgent = new AbortController();

  private constructor(
    private readonly o: LiveValuesOptions,
    private readonly sides: Record<SideName, Side>,
  ) {}

  /**
   * Compares all of it, once.
   * @throws LockstepError COMPACTED where it takes longer than a side keeps its history; TARGET_DIFFERENT where
   *   more is different than is kept in memory
   */
  static async compare(
    options: LiveValuesOptions & { onKeys: (keys: number) => void; signal: AbortSignal },
  ): Promise<LiveValues> {
    const { source, target, prefixes, onKeys, signal } = options;
    const [there, here] = await Promise.all([sideOf(source, prefixes), sideOf(target, prefixes)]);
    const live = new LiveValues(options, { source: there, target: here });
    let keys = 0;
    await sideBySide(
      readPrefixes(source, prefixes, { revision: there.position }),
      readPrefixes(target, prefixes, { revision: here.position }),
      (left, right): undefined => {
        signal.throwIfAborted();
        keys++;
        if (left && right?.equals(left)) return;
        const name = keyOf(left ?? right ?? Buffer.alloc(0)).toString('latin1');
        live.#saw('source', name, heldIn(left, there.position));
        live.#saw('target', name, heldIn(right, here.position));
      },
      () => {
        onKeys(keys);
      },
    );
    return live;
  }

  /** Keys that are not known to be the same. */
  get open(): number {
    return this.#open.size;
  }

  /** Somebody waits for it: from now on both sides are asked more often how far they are. */
  hurry(): void {
    this.#urgent.abort();
  }

  /**
   * Watches both until `signal` aborts.
   * @throws LockstepError HISTORY_GAP where a side was compacted under it; TARGET_DIFFERENT as {@link compare}
   */
  async run(signal: AbortSignal): Promise<void> {
    await runTogether(signal, [
      (stop) => this.#watch('source', stop),
      (stop) => this.#watch('target', stop),
    ]);
  }

  /**
   * Waits until both watches have passed the heads as they are now, and looks up what is open then. What it
   * says holds for as long as nobody writes.
   * @returns keys that are not the same; the first 100
   */
  async different(signal: AbortSignal): Promise<Buffer[]> {
    await Promise.all([this.#passed('source', signal), this.#passed('target', signal)]);
    const lanes = new Lanes(LOOKUPS_AT_ONCE);
    const different: Buffer[] = [];
    for (const name of [...this.#open.keys()]) {
      if (different.length >= MAX_NAMED) break;
      await lanes.run(async () => {
        const key = Buffer.from(name, 'latin1');
        if (!(await this.#isSame(key, signal))) different.push(key);
      });
    }
    await lanes.settle();
    return different;
  }

  async #isSame(key: Buffer, signal: AbortSignal): Promise<boolean> {
    const told = new Patience(this.o.onNote);
    const rowOf = async (client: EtcdClient) =>
      untilAnswered(signal, async () => (await client.few({ key })).rows[0], told);
    const [there, here] = await Promise.all([rowOf(this.o.source), rowOf(this.o.target)]);
    if (!there || !here) return there === here;
    return there.equals(here) || isSame(heldIn(there, 0), heldIn(here, 0));
  }

  async #passed(name: SideName, signal: AbortSignal): Promise<void> {
    const side = this.sides[name];
    const ask = () => side.client.head(probeKey(this.o.prefixes));
    const { revision } = await untilAnswered(signal, ask, new Patience(this.o.onNote));
    while (side.position < revision) {
      await pause(POLL_MS, signal);
      signal.throwIfAborted();
    }
  }

  async #watch(name: SideName, signal: AbortSignal): Promise<void> {
    const { prefixes, onNote } = this.o;
    const side = this.sides[name];
    const { client, clusterId, version } = side;
    const limits = watchLimits(version);
    const begin = () => Promise.resolve({ after: proven(side.position), limits });
    const watch = {
      ...{ prefixes, clusterId, begin, signal, onNote, told: new Patience(onNote) },
      urgent: this.#urgent.signal,
    };
    const take = (batch: WatchBatch) => {
      this.#take(name, batch);
    };
    await lastValueFrom(revisions$(client, watch, take), { defaultValue: undefined });
  }

  #take(name: SideName, { revisions, position }: WatchBatch): void {
    for (const { records } of revisions)
      for (const record of records)
        this.#saw(name, record.key.toString('latin1'), heldAfter(record));
    this.sides[name].position = position;
  }

  #saw(side: SideName, name: string, held: Held): void {
    const now = { ...this.#open.get(name), [side]: held };
    if (now.source && now.target && isSame(now.source, now.target)) this.#open.delete(name);
    else this.#open.set(name, now);
    if (this.#open.size > MAX_OPEN) throw tooDifferent(this.#open.size);
  }
}

const MAX_NAMED = 100;

/** The source's is above: a client that has seen the target's does not miss it. */
function isSame(source: Held, target: Held): boolean {
  return source.content === target.content && source.at > target.at;
}

/** @param readAt where there is no row: when it was looked for */
function heldIn(row: Buffer | undefined, readAt: Revision): Held {
  if (!row) return { content: null, at: readAt };
  const { modRevision: at } = parseKeyValue(row);
  return { content: contentOf(row), at };
}

function heldAfter({ main: at, tombstone, bytes }: Row): Held {
  return { content: tombstone ? null : contentOf(bytes), at };
}

function contentOf(row: Buffer): string {
  const { value, lease } = parseKeyValue(row);
  return `${digest(value)} ${lease}`;
}

async function sideOf(client: EtcdClient, prefixes: PrefixSet): Promise<Side> {
  const [{ version, clusterId }, { revision }] = await Promise.all([
    client.status(),
    client.head(probeKey(prefixes)),
  ]);
  return { client, version, clusterId, position: revision };
}

function tooDifferent(keys: number): LockstepError {
  return new LockstepError(
    'TARGET_DIFFERENT',
    `source and target differ in more than ${keys - 1} keys: nobody brings over what is changed`,
    { hint: 'Nothing was changed. Is `follow --reverse` under way?' },
  );
}
