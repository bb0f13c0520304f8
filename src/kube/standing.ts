/**
 * One object of the freeze as it stands in the cluster.
 *
 * It is *the same* as long as its uid, its generation and its run are: a new object has another uid,
 * a changed rule another generation, a new owner another run. Its resourceVersion is no such proof: a
 * controller writes the status of a policy some time after it was made. So a guarded write that fails
 * although the object is the same is sent again with the new one.
 */
import { z } from 'zod';
import { expect, read, type Answer } from './answer.js';
import type { ApiServer } from './api.js';
import {
  ADMISSION_BASE,
  FREEZE_NAME,
  KINDS,
  resourcesOf,
  type ManifestKind,
  type Manifest,
} from './manifests.js';
import { isHeld, ownerOf, type FreezeOwner } from './owner.js';
import type { Resource } from './resource.js';

/** Others write it once or twice in its life. */
const TRIES = 5;

export interface StandingFreeze {
  kind: ManifestKind;
  uid: string;
  resourceVersion: string;
  generation: number;
  /** By the apiserver's clock. */
  since: Date;
  owner: FreezeOwner | undefined;
  held: boolean;
  resources: Resource[];
}

/** What stands there in place of what we knew; undefined: nothing. */
export class Changed extends Error {
  constructor(readonly now: StandingFreeze | undefined) {
    super('the freeze object has changed');
  }
}

export function pathOfKind(kind: ManifestKind): string {
  return `${ADMISSION_BASE}/${kind}/${FREEZE_NAME}`;
}

/** All that stand, in the order in which they are taken away: nothing refers to what is gone. */
export async function readStanding(api: ApiServer): Promise<StandingFreeze[]> {
  const kinds = [...KINDS.webhook, ...[...KINDS.policy].reverse()];
  const all = await Promise.all(kinds.map((kind) => readOne(api, kind)));
  return all.filter((one) => one !== undefined);
}

async function readOne(api: ApiServer, kind: ManifestKind): Promise<StandingFreeze | undefined> {
  const answer = expect(await api.get(pathOfKind(kind)), 200, 404);
  return answer.status === 404 ? undefined : standing(kind, answer);
}

const freezeObject = z.looseObject({
  metadata: z.looseObject({
    uid: z.string(),
    resourceVersion: z.string(),
    generation: z.number().default(0),
    creationTimestamp: z.iso.datetime(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
});

function standing(kind: ManifestKind, answer: Answer): StandingFreeze {
  const object = read({ ...answer, status: 200 }, freezeObject);
  const { uid, resourceVersion, generation, creationTimestamp, annotations } = object.metadata;
  return {
    ...{ kind, uid, resourceVersion, generation },
    since: new Date(creationTimestamp),
    owner: ownerOf(annotations),
    held: isHeld(annotations),
    resources: resourcesOf(object),
  };
}

export function isSame(a: StandingFreeze, b: StandingFreeze | undefined): boolean {
  return a.uid === b?.uid && a.generation === b.generation && a.owner?.run === b.owner?.run;
}

/**
 * Makes it, or what another try of ours has made already into what is asked for.
 * @throws Changed where somebody else's stands
 */
export async function create(
  api: ApiServer,
  kind: ManifestKind,
  object: Manifest,
  owner: FreezeOwner,
): Promise<StandingFreeze> {
  for (let tries = 1; ; tries++) {
    const answer = await api.send('POST', `${ADMISSION_BASE}/${kind}`, object);
    if (tries === TRIES || answer.status !== 409) return standing(kind, expect(answer, 201));
    const now = await readOne(api, kind);
    if (now?.owner?.run === owner.run) return replace(api, now, object, owner);
    if (now) throw new Changed(now);
  }
}

/**
 * Brings it to what is asked for, owner and all.
 * @throws Changed where it is not the same any more
 */
export async function replace(
  api: ApiServer,
  known: StandingFreeze,
  object: Manifest,
  owner: FreezeOwner,
): Promise<StandingFreeze> {
  const send = async ({ uid, resourceVersion }: StandingFreeze) =>
    api.send('PUT', pathOfKind(known.kind), {
      ...object,
      metadata: { ...object.metadata, uid, resourceVersion },
    });
  // An earlier try of ours, whose answer was lost, has made it ours.
  const ours = (now: StandingFreeze) => now.uid === known.uid && now.owner?.run === owner.run;
  const answer = await guarded(api, known, send, (now) => ours(now) || isSame(known, now));
  return standing(known.kind, answer);
}

/** @throws Changed where it is not the same any more */
export async function annotate(
  api: ApiServer,
  known: StandingFreeze,
  annotations: Record<string, string>,
): Promise<StandingFreeze> {
  const send = async ({ uid, resourceVersion }: StandingFreeze) =>
    api.send('PATCH', pathOfKind(known.kind), { metadata: { uid, resourceVersion, annotations } });
  const answer = await guarded(api, known, send, (now) => isSame(known, now));
  return standing(known.kind, answer);
}

/**
 * Removes it, also where its rules were changed; nothing to do where it is gone.
 * @throws Changed where another stands there
 */
export async function remove(api: ApiServer, known: StandingFreeze): Promise<void> {
  const send = async ({ uid, resourceVersion }: StandingFreeze) =>
    api.send('DELETE', pathOfKind(known.kind), { preconditions: { uid, resourceVersion } });
  const ours = (now: StandingFreeze) =>
    now.uid === known.uid && now.owner?.run === known.owner?.run;
  try {
    await guarded(api, known, send, ours);
  } catch (error) {
    if (!(error instanceof Changed) || error.now !== undefined) throw error;
  }
}

/** Sends what names uid and resourceVersion, anew for as long as only the latter has changed. */
async function guarded(
  api: ApiServer,
  known: StandingFreeze,
  send: (now: StandingFreeze) => Promise<Answer>,
  same: (now: StandingFreeze) => boolean,
): Promise<Answer> {
  let now = known;
  for (let tries = 1; ; tries++) {
    const answer = await send(now);
    if (tries === TRIES || ![404, 409].includes(answer.status)) return expect(answer, 200);
    const next = await readOne(api, known.kind);
    if (!next || !same(next)) throw new Changed(next);
    now = next;
  }
}
