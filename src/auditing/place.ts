/**
 * Where auditing stands, in a file: what is under way, what came of the last audits, and when the next is
 * due. So a restart neither begins one at once nor puts it off.
 *
 *     <sha256 of the line below>
 *     {"format":1,"source":"…","target":"…","prefixes":[…],…}
 *
 * It is written beside and renamed, so it is whole or not there. The hash is for what happens to files all
 * the same: an audit that goes on from a wrong key has not compared what it says. A file that is damaged,
 * or of another seed, other etcds or prefixes, is told once and begun anew; only audits are lost with it.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { isSystemError } from '../errors.js';
import type { AuditOutcome } from './outcome.js';
import { progressSchema, toJson, type Progress } from './progress.js';
import { attempt, publish } from './publish.js';

const FILE = 'place.json';
const MAX_OUTCOMES = 100;

const outcome = z.object({
  at: z.iso.datetime(),
  result: z.enum(['equal', 'different', 'failed']),
  revision: z.number().int().nullable(),
  keys: z.number().int(),
  differences: z.number().int(),
  seconds: z.number(),
  file: z.string().nullable(),
  message: z.string().nullable(),
}) satisfies z.ZodType<AuditOutcome>;

const schema = z.object({
  format: z.literal(1),
  /** Cluster ids, hexadecimal. */
  source: z.string(),
  target: z.string(),
  /** Of the seed that the target is from: one that is made anew may have the id of the one before. */
  watchFrom: z.number().int(),
  prefixes: z.array(z.string()),
  /** When the last audit was begun; null: none was. */
  begun: z.iso.datetime().nullable(),
  /** Newest first. */
  outcomes: z.array(outcome),
  running: progressSchema.nullable(),
});

/** Of whom it is. */
export type PlaceOwner = Pick<
  z.output<typeof schema>,
  'source' | 'target' | 'watchFrom' | 'prefixes'
>;

type Stored = Omit<z.output<typeof schema>, 'format' | keyof PlaceOwner>;

/** What is remembered. */
export class Place implements Stored {
  begun: string | null = null;
  outcomes: AuditOutcome[] = [];
  running: Progress | null = null;

  private constructor(
    private readonly folder: string,
    private readonly owner: PlaceOwner,
  ) {}

  /**
   * @param onLost told what is wrong with the file that is there
   * @throws LockstepError IO
   */
  static async open(
    folder: string,
    owner: PlaceOwner,
    onLost: (why: string) => void,
  ): Promise<Place> {
    const path = join(folder, FILE);
    const place = new Place(folder, owner);
    const text = await attempt('read', path, async () => {
      await mkdir(folder, { recursive: true });
      return readFile(path, 'utf8').catch((error: unknown) => {
        if (isSystemError(error) && error.code === 'ENOENT') return undefined;
        throw error;
      });
    });
    if (text === undefined) return place;
    const stored = read(text);
    if (!stored) onLost(`${path} is damaged`);
    else if (!isOf(stored, owner)) onLost(`${path} is of another seed, other etcds or prefixes`);
    else Object.assign(place, pick(stored));
    return place;
  }

  /** Of failures in a row the last one stands for all. */
  add(outcome: AuditOutcome): void {
    if (outcome.result === 'failed' && this.outcomes[0]?.result === 'failed') this.outcomes.shift();
    this.outcomes.unshift(outcome);
    this.outcomes.splice(MAX_OUTCOMES);
  }

  /** @throws LockstepError IO */
  async save(): Promise<void> {
    const { running, ...stored } = pick(this);
    const json = JSON.stringify({
      ...{ format: 1, ...this.owner, ...stored },
      running: running && toJson(running),
    });
    await publish(join(this.folder, FILE), `${sha256(json)}\n${json}\n`);
  }
}

function pick({ begun, outcomes, running }: Stored): Stored {
  return { begun, outcomes, running };
}

function read(text: string): z.output<typeof schema> | undefined {
  const [hash, json = ''] = text.split('\n');
  if (hash !== sha256(json)) return undefined;
  return schema.safeParse(JSON.parse(json)).data;
}

function isOf(stored: PlaceOwner, { source, target, watchFrom, prefixes }: PlaceOwner): boolean {
  const same = stored.source === source && stored.target === target;
  return (
    same &&
    stored.watchFrom === watchFrom &&
    JSON.stringify(stored.prefixes) === JSON.stringify(prefixes)
  );
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
