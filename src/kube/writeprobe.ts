/** The writes to some resources, as one apiserver is asked about them: again and again, and fast. */
import { LockstepError } from '../errors.js';
import { expect } from './answer.js';
import type { ApiServer } from './api.js';
import { askOne, askPath, type Asked, type FreezeCheck } from './ask.js';
import { pathsOf, type Path } from './attempts.js';
import { candidates } from './candidates.js';
import { ADMISSION_BASE } from './manifests.js';
import { objectName, type KubeObject } from './object.js';
import { resourceName, serving, type Resource, type Served } from './resource.js';
import type { FreezeVerdict } from './verdict.js';

/** Objects that change or go while they are asked about. */
const TRIES = 4;
/** Of one apiserver; an answer may take seconds. */
export const GLANCES_AT_ONCE = 12;

/** What the writes were aimed at first; object null: there is none, and only some paths can be asked. */
export type On = { resource: string; object: string | null };

interface Subject {
  served: Served;
  objects: KubeObject[];
  paths: Path[];
}

export class WriteProbe {
  #subjects: readonly Subject[] | undefined;

  constructor(
    readonly api: ApiServer,
    private readonly resources: readonly Resource[],
  ) {}

  /**
   * Reads what to ask, and opens the connections: once, and best before the freeze.
   * @throws LockstepError KUBE where it serves no such resource, or does not know dry runs
   */
  async prepare(signal?: AbortSignal): Promise<void> {
    if (this.#subjects) return;
    await needDryRuns(this.api, signal);
    const subjects = await this.#read(signal);
    const paths = subjects.flatMap((subject) => subject.paths);
    await this.api.warm(paths.length + GLANCES_AT_ONCE, signal);
    this.#subjects = subjects;
  }

  /** One cheap request that tells whether the freeze has come, or gone. */
  async glance(signal?: AbortSignal): Promise<{ what: string; verdict: FreezeVerdict }> {
    await this.prepare(signal);
    const paths = this.#all.flatMap((subject) => subject.paths);
    // The webhooks of others look at deletions least; a creation needs no object.
    const verbs = ['delete ', 'create ', ''];
    for (const verb of verbs)
      for (const { what, requests } of paths)
        if (what.startsWith(verb) && requests[0])
          return { what, verdict: (await askOne(this.api, requests[0], signal)).verdict };
    return { what: '', verdict: 'nothing' };
  }

  /** Every path, side by side. */
  async all(
    expected: FreezeCheck['expected'],
    signal?: AbortSignal,
  ): Promise<{ on: On[]; checks: FreezeCheck[] }> {
    await this.prepare(signal);
    const heard = new Map<string, Asked>();
    for (let tries = 1; tries <= TRIES; tries++) {
      if (tries > 1) this.#subjects = await this.#read(signal);
      const ask = async (key: string, path: Path) => {
        if (heard.get(key)?.moved ?? true)
          heard.set(key, await askPath(this.api, path, expected, signal));
      };
      await Promise.all(
        this.#all.flatMap(({ served, paths }) =>
          paths.map((path) => ask(`${served.base} ${path.what}`, path)),
        ),
      );
      if (![...heard.values()].some(({ moved }) => moved)) break;
    }
    const on = this.#all.map(({ served, objects: [object] }) => ({
      resource: resourceName(served),
      object: object ? objectName(object) : null,
    }));
    return { on, checks: [...heard.values()].map(({ check }) => check) };
  }

  get #all(): readonly Subject[] {
    return this.#subjects ?? [];
  }

  async #read(signal: AbortSignal | undefined): Promise<readonly Subject[]> {
    return Promise.all(
      this.resources.map(async (resource) => {
        const served = await serving(this.api, resource, signal);
        const objects = await candidates(this.api, served, signal);
        return { served, objects, paths: pathsOf(served, objects) };
      }),
    );
  }
}

/** An apiserver that does not know dry runs would take them for the real thing. */
async function needDryRuns(api: ApiServer, signal: AbortSignal | undefined): Promise<void> {
  const answer = await api.get(ADMISSION_BASE, undefined, signal);
  if (expect(answer, 200, 404).status === 200) return;
  throw new LockstepError('KUBE', `${api.url} has no ${ADMISSION_BASE}`, {
    hint: 'This needs Kubernetes 1.16 or later; before, dry runs and webhooks are not what they are now.',
  });
}
