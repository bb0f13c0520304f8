/**
 * The keys that somebody has written late on the source, and that are not as the target has them.
 *
 * They are left as they are: it may be that somebody has to look at what was written there, and it is
 * nowhere else. Until the target changes such a key: then the target's state is put over it, for that is
 * what clients see, and the alarm says so. So a late write is never undone without a word. What is left
 * in the end is put right by the rollback, which names it, too.
 *
 * Only the first hundred are kept by name. Were there more, who goes back has to look at every key.
 */
import { describeKey } from '../audit/report.js';
import type { Revision } from '../mvcc/revision.js';
import type { LateWrite } from '../proof/latewrites.js';
import type { LateKey, ReverseState } from '../target/reversecursor.js';

const MAX_NAMED = 100;

export class LateKeys {
  readonly #open = new Map<string, LateKey>();
  #count = 0;
  #replaced = 0;
  #all = true;
  #changes = 0;

  /** @param onAlarm told of each key by its name, of the first hundred; then of a round number of them */
  constructor(private readonly onAlarm: (alarm: string) => void) {}

  /** As the cursor has it. */
  get state(): ReverseState['late'] {
    const open = [...this.#open.values()];
    return { count: this.#count, replaced: this.#replaced, open, all: this.#all };
  }

  /** How often it has changed. */
  get changes(): number {
    return this.#changes;
  }

  /** What a run before has left. */
  restore({ count, replaced, open, all }: ReverseState['late']): void {
    this.#open.clear();
    for (const one of open) this.#open.set(nameOf(one), one);
    [this.#count, this.#replaced, this.#all] = [count, replaced, all];
  }

  /** @param replaced the target's state has been put over it already */
  found({ key, keyBase64, revision, deleted }: LateWrite, replaced: boolean): void {
    const late: LateKey = { key, revision, ...(keyBase64 === undefined ? {} : { keyBase64 }) };
    const name = nameOf(late);
    // A watch that is made anew brings some again.
    if ((this.#open.get(name)?.revision ?? 0) >= revision) return;
    this.#changes++;
    this.#count++;
    if (replaced) this.#replaced++;
    else if (this.#open.size < MAX_NAMED || this.#open.has(name)) this.#open.set(name, late);
    else this.#all = false;
    const did = deleted ? 'deleted' : 'put';
    const then = replaced ? '; what the target has was put over it' : '';
    this.#tell(`late write on the source: ${key} ${did} at revision ${revision}${then}`);
  }

  /** What the target has was put over this key, at this revision of the source; one that came behind that stays open. */
  overwritten(key: Buffer, at: Revision): void {
    const name = key.toString('latin1');
    const late = this.#open.get(name);
    if (!late || late.revision > at) return;
    this.#open.delete(name);
    this.#changes++;
    this.#replaced++;
    this.onAlarm(
      `late write on the source replaced: ${late.key}, written there at revision ${late.revision}, was changed on the target since, and has what the target has`,
    );
  }

  /** Whether it is known by name, and still as it was written late. */
  has(key: Buffer): boolean {
    return this.#open.has(key.toString('latin1'));
  }

  /** Both sides are compared from now on: whatever came before is put right, whether it has a name or not. */
  comparing(): void {
    this.#all = true;
  }

  /** While both sides were compared: one that nobody had seen, and that has what the target has now. */
  foundByComparing(key: Buffer): void {
    this.#changes++;
    this.#count++;
    this.#replaced++;
    this.#tell(
      `late write on the source replaced: ${describeKey(key).key} was not as the target had left it, and has what the target has`,
    );
  }

  #tell(alarm: string): void {
    if (this.#count <= MAX_NAMED) this.onAlarm(alarm);
    else if (this.#count % (10 * MAX_NAMED) === 0)
      this.onAlarm(`${this.#count} late writes on the source; the last: ${alarm}`);
  }
}

function nameOf({ key, keyBase64 }: LateKey): string {
  const bytes = keyBase64 === undefined ? Buffer.from(key) : Buffer.from(keyBase64, 'base64');
  return bytes.toString('latin1');
}
