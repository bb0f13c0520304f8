/**
 * The freeze of a cluster: objects that have every apiserver refuse writes, and one owner.
 *
 * They are written through any apiserver that lives; that each refuses then is known.ts.
 *
 *     find ─► apply, over exactly what was found, or where nothing was ─► prove … hold … prove ─► remove
 *
 * Invariant: every write but a creation names uid and resourceVersion of what was read or written
 * last, and a creation fails where there is something. So a freeze has one owner at a time, nobody
 * changes or removes another's, and whoever has lost it is told so by the next thing he does. What is
 * still the same (standing.ts) has stood all the time between, because nothing comes back under the
 * same uid.
 *
 * What is not guarded: a creation that hangs in an apiserver until the freeze it was for is gone. It
 * leaves a freeze with our name on it, which find tells.
 *
 * Two runs that freeze at the same moment in different ways (a policy, a webhook) write no common
 * object; `prove` tells both, because it takes no foreign object beside ours either.
 */
import { LockstepError } from '../errors.js';
import type { ApiServer } from './api.js';
import { byLiving } from './living.js';
import {
  freezeObjects,
  KINDS,
  WAYS,
  type ManifestKind,
  type Manifest,
  type FreezeWay,
} from './manifests.js';
import { HELD, madeByHand, type FreezeOwner } from './owner.js';
import type { Resource } from './resource.js';
import {
  annotate,
  Changed,
  create,
  isSame,
  pathOfKind,
  readStanding,
  remove,
  replace,
  type StandingFreeze,
} from './standing.js';

/** Every cluster has this kind, so it tells whether an apiserver reads from its etcd. */
const READ_FIRST = pathOfKind('validatingwebhookconfigurations');

/** What stands in the cluster as it was read or written last. */
export class Freeze {
  #objects: readonly StandingFreeze[];

  private constructor(objects: readonly StandingFreeze[]) {
    this.#objects = objects;
  }

  /**
   * Asks any apiserver that lives, which asks its etcd.
   * @returns undefined: no object of a freeze is there
   * @throws LockstepError KUBE_UNAVAILABLE where none answers, naming each
   */
  static async find(apis: readonly ApiServer[]): Promise<Freeze | undefined> {
    const objects = await byLiving(apis, READ_FIRST, readStanding);
    return objects.length === 0 ? undefined : new Freeze(objects);
  }

  /**
   * The freeze of one run, however little it knows of what it has written.
   * @returns undefined: none stands
   * @throws LockstepError FREEZE_LOST where another's does, KUBE_UNAVAILABLE as {@link find}
   */
  static async findOwn(apis: readonly ApiServer[], own: FreezeOwner): Promise<Freeze | undefined> {
    const found = await Freeze.find(apis);
    const objects = found ? found.#objects : [];
    const foreign = objects.find(({ owner }) => owner?.run !== own.run);
    if (foreign) throw lost(foreign, own);
    return found;
  }

  /**
   * Writes the freeze; does not wait for anybody to know of it. What stands in another way is brought
   * to the same resources and owner.
   * @param over the freeze that was found and is taken over; it stays held if it was
   * @throws LockstepError FREEZE_TAKEN where another stands, or it has changed since; what was
   *   written until then stays, and `find` tells that it is ours
   */
  static async apply(
    apis: readonly ApiServer[],
    resources: readonly Resource[],
    way: FreezeWay,
    owner: FreezeOwner,
    over?: Freeze,
  ): Promise<Freeze> {
    const known = over ? over.#objects : [];
    const put = async (api: ApiServer, kind: ManifestKind, object: Manifest) => {
      const there = known.find((one) => one.kind === kind);
      return there ? replace(api, there, object, owner) : create(api, kind, object, owner);
    };
    return byLiving(apis, READ_FIRST, async (api) => {
      refuseOthers(await readStanding(api), known, owner);
      const written: StandingFreeze[] = [];
      try {
        for (const [kind, object] of objectsFor(resources, way, owner, over))
          written.unshift(await put(api, kind, object));
      } catch (error) {
        throw error instanceof Changed ? taken(error.now) : error;
      }
      return new Freeze(written);
    });
  }

  /** By the apiserver's clock, of the oldest of its objects; taking it over does not change it. */
  get since(): Date {
    return new Date(Math.min(...this.#objects.map(({ since }) => since.getTime())));
  }

  /** undefined: made by kubectl. */
  get owner(): FreezeOwner | undefined {
    return this.#objects.find(({ owner }) => owner)?.owner;
  }

  /** The target has been taken over: whoever removes it lets some write here and some there. */
  get held(): boolean {
    return this.#objects.some(({ held }) => held);
  }

  /** No run waits for it: kubectl or `freeze apply` made it. */
  get byHand(): boolean {
    return this.#objects.every(({ owner }) => madeByHand(owner)) && !this.held;
  }

  /** `policy` where it stands in both ways. */
  get way(): FreezeWay {
    return this.kinds.some((kind) => isOf('policy', kind)) ? 'policy' : 'webhook';
  }

  get resources(): readonly Resource[] {
    return this.#objects.find(({ resources }) => resources.length > 0)?.resources ?? [];
  }

  /** Of its objects. */
  get kinds(): readonly ManifestKind[] {
    return this.#objects.map(({ kind }) => kind);
  }

  /**
   * That it stands, the same, ours, alone: then it has stood since it was written.
   * @throws LockstepError FREEZE_LOST
   */
  async prove(apis: readonly ApiServer[]): Promise<void> {
    const now = await byLiving(apis, READ_FIRST, readStanding);
    const missing = this.#objects.find((known) => !now.some((one) => isSame(known, one)));
    if (missing)
      throw lost(
        now.find(({ kind }) => kind === missing.kind),
        this.owner,
      );
    const foreign = now.find(({ owner }) => owner?.run !== this.owner?.run);
    if (foreign) throw lost(foreign, this.owner);
  }

  /**
   * Marks it as one that must not be removed by hand; proves it at once.
   * @throws LockstepError FREEZE_LOST
   */
  async hold(apis: readonly ApiServer[]): Promise<void> {
    await this.#guarded(apis, async (api) => {
      const held: StandingFreeze[] = [];
      for (const one of this.#objects) held.push(await annotate(api, one, HELD));
      this.#objects = held;
    });
  }

  /**
   * Removes it and no other; nothing to do where it is gone. Does not wait for anybody to know.
   * @throws LockstepError FREEZE_LOST where another stands in its place
   */
  async remove(apis: readonly ApiServer[]): Promise<void> {
    await this.#guarded(apis, async (api) => {
      for (const one of this.#objects) await remove(api, one);
    });
  }

  async #guarded(
    apis: readonly ApiServer[],
    use: (api: ApiServer) => Promise<void>,
  ): Promise<void> {
    try {
      await byLiving(apis, READ_FIRST, use);
    } catch (error) {
      throw error instanceof Changed ? lost(error.now, this.owner) : error;
    }
  }
}

function isOf(way: FreezeWay, kind: ManifestKind): boolean {
  return (KINDS[way] as readonly ManifestKind[]).includes(kind);
}

/** In the order in which they take effect. */
function objectsFor(
  resources: readonly Resource[],
  way: FreezeWay,
  owner: FreezeOwner,
  over: Freeze | undefined,
): [ManifestKind, Manifest][] {
  return WAYS.flatMap((one) => {
    const objects = freezeObjects(resources, one, owner, over?.held);
    const kinds: readonly ManifestKind[] = KINDS[one];
    return kinds.flatMap((kind, i): [ManifestKind, Manifest][] => {
      const object = objects[i];
      const asked = one === way || over?.kinds.includes(kind);
      return object && asked ? [[kind, object]] : [];
    });
  });
}

/** Of what stands only what was found may be taken over, and what an earlier try of ours has made. */
function refuseOthers(
  now: readonly StandingFreeze[],
  known: readonly StandingFreeze[],
  { run }: FreezeOwner,
): void {
  const ours = (one: StandingFreeze) => one.owner?.run === run;
  const other = now.find((one) => !ours(one) && !known.some((found) => isSame(found, one)));
  if (other) throw taken(other);
  if (known.some((found) => !now.some((one) => one.uid === found.uid))) throw taken(undefined);
}

/** `cutover on admin-1, pid 4711, since …; writes are refused since …` */
export function whoHas({ owner, since }: Pick<Freeze, 'owner' | 'since'>): string {
  return `${owner ? owner.text : 'made by kubectl'} (it stands since ${since.toISOString()})`;
}

/** What to do about a freeze that somebody else has. */
export function askOwner({ owner, held }: Pick<Freeze, 'owner' | 'held'>): string {
  if (held)
    return 'The target has been taken over: the freeze must stay until that cutover or rollback has ended. `etcd-lockstep status` says how far it is. If its owner is dead, run cutover again to go on, or rollback to go back.';
  if (madeByHand(owner))
    return 'If nobody needs it, `etcd-lockstep freeze remove` ends it; then run the same command again.';
  return 'Ask whoever runs that. If it is dead, run the same command again: it takes over what it finds at its start; or `etcd-lockstep freeze remove --force` lets writes in.';
}

function taken(now: StandingFreeze | undefined): LockstepError {
  return now
    ? new LockstepError('FREEZE_TAKEN', `somebody else has the freeze: ${whoHas(now)}`, {
        hint: askOwner(now),
      })
    : new LockstepError('FREEZE_TAKEN', 'the freeze that was found at the start is gone', {
        hint: 'Somebody has let writes in meanwhile: find out who it is, then run the same command again.',
      });
}

function lost(now: StandingFreeze | undefined, own: FreezeOwner | undefined): LockstepError {
  const isOurs = now !== undefined && now.owner?.run === own?.run;
  if (now && !isOurs)
    return new LockstepError('FREEZE_LOST', `somebody else has the freeze now: ${whoHas(now)}`, {
      hint: askOwner(now),
    });
  const what = isOurs ? 'was changed by somebody' : 'is gone';
  return new LockstepError(
    'FREEZE_LOST',
    `the freeze ${what}: writes may have been let in meanwhile`,
    {
      hint: 'Find out who did it (the audit log of the apiservers). `etcd-lockstep status` says how far it is; the same command begins anew or goes on.',
    },
  );
}
