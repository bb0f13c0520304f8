/** The cursors to come: what each says of the target when everything up to it has landed. */
import type { Gap } from '../journal/state.js';
import type { WholeRevision } from '../mvcc/record.js';
import type { Revision } from '../mvcc/revision.js';
import { digest, type Tally } from '../mvcc/tally.js';
import { CURSOR_FORMAT, encodeCursor } from '../target/cursor.js';
import type { Identity, Stock } from '../target/stock.js';

/** Digest of a key as it was before a revision; undefined if it did not exist. */
export type DigestBefore = (key: Buffer, revision: Revision) => Promise<bigint | undefined>;

/**
 * Keys whose digest is kept in memory: pods change several times in a row, and a lookup is a read of the
 * journal.
 */
const REMEMBERED = 16_384;

export class Cursors {
  /** Digests of the keys that changed last, as of {@link revision}; the oldest first. */
  readonly #digests = new Map<string, bigint | undefined>();
  #tally: Tally;
  #gap: Gap | null;
  #ownWrites: number;
  #revision: Revision;

  constructor(
    private readonly identity: Identity & { follower: string },
    private readonly digestBefore: DigestBefore,
    /** Where the history that is written is not the source's, if it is so anywhere. */
    private readonly gapNow: () => Gap | null,
    stock: Stock,
  ) {
    this.#tally = stock.tally;
    this.#gap = stock.cursor.gap;
    this.#ownWrites = stock.ownWrites;
    this.#revision = stock.cursor.revision;
  }

  /** Of the last one. */
  get revision(): Revision {
    return this.#revision;
  }

  /** So many fillers come before the next cursor. */
  fillers(count: number): void {
    this.#ownWrites += count;
  }

  /**
   * The cursor that is written with this revision; revisions come in order, each once.
   * @param chained whether a link is put by the same write
   */
  async with(whole: WholeRevision, chained: boolean): Promise<Buffer> {
    const { revision } = whole;
    if (chained) this.#ownWrites++;
    this.#tally = await this.#tallyAfter(whole);
    this.#revision = revision;
    // The newest gap below: those before it have been compacted away since.
    const gap = this.gapNow();
    if (gap && revision > gap.after) this.#gap = gap;
    return encodeCursor({
      format: CURSOR_FORMAT,
      source: this.identity.source,
      prefixes: [...this.identity.prefixes.list],
      revision,
      keys: this.#tally.keys,
      checksum: this.#tally.hex,
      ownWrites: this.#ownWrites,
      gap: this.#gap,
      follower: this.identity.follower,
      at: new Date().toISOString(),
    });
  }

  /** Keys and checksum after a revision, from the rows that it supersedes. */
  async #tallyAfter({ revision, records }: WholeRevision): Promise<Tally> {
    const tally = this.#tally.copy();
    for (const { key, tombstone, bytes } of records) {
      const name = key.toString('latin1');
      const old = this.#digests.has(name)
        ? this.#digests.get(name)
        : await this.digestBefore(key, revision);
      if (old !== undefined) tally.remove(old);
      const now = tombstone ? undefined : digest(bytes);
      if (now !== undefined) tally.add(now);
      this.#remember(name, now);
    }
    return tally;
  }

  #remember(name: string, digest: bigint | undefined): void {
    this.#digests.delete(name);
    this.#digests.set(name, digest);
    if (this.#digests.size <= REMEMBERED) return;
    for (const oldest of this.#digests.keys()) {
      this.#digests.delete(oldest);
      return;
    }
  }
}
