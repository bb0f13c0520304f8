/** Fake apiservers of one cluster, with clients for them. */
import { hasCode, LockstepError } from '../../src/errors.js';
import type { ApiServer } from '../../src/kube/api.js';
import { loadKube } from '../../src/kube/config.js';
import { makeCerts, type Certs } from '../rig/certs.js';
import { FakeApiServer, writeKubeconfig } from './fake.js';
import { FakeCluster } from './fakecluster.js';

export class Scene {
  readonly #open: { close: () => void }[] = [];

  private constructor(
    readonly certs: Certs,
    readonly cluster: FakeCluster,
    readonly fakes: readonly FakeApiServer[],
    readonly apis: readonly ApiServer[],
  ) {
    this.#open.push(...apis, ...fakes);
  }

  static async start(certs: Certs, servers = 2, cluster = new FakeCluster()): Promise<Scene> {
    const starting = Array.from({ length: servers }, () => FakeApiServer.start(certs, cluster));
    const fakes = await Promise.all(starting);
    const urls = fakes.map(({ url }) => url);
    const apis = await loadKube(writeKubeconfig(certs, urls[0]!), urls);
    return new Scene(certs, cluster, fakes, apis);
  }

  /** What was written, each by whom: `1 POST validatingadmissionpolicies`. Dry runs are none. */
  get written(): string[] {
    return this.fakes.flatMap(({ asked }, i) =>
      asked
        .filter(({ method, query }) => method !== 'GET' && !query.has('dryRun'))
        .map(({ method, path }) => `${i} ${method} ${path.split('/')[4]}`),
    );
  }

  close(): void {
    for (const one of this.#open) one.close();
  }
}

export function withCerts(): { certs: () => Certs } {
  let made: Certs | undefined;
  before(async () => {
    made = await makeCerts();
  });
  after(() => {
    made?.remove();
  });
  return { certs: () => made! };
}

/** Its LockstepError, of this code. */
export async function failure(
  of: Promise<unknown>,
  code: LockstepError['code'],
): Promise<LockstepError> {
  const error: unknown = await of.then(
    () => 'it did not fail',
    (e: unknown) => e,
  );
  if (hasCode(error, code)) return error;
  throw error instanceof Error ? error : new Error(String(error));
}

/** Something that others wait for. */
export class Gate {
  open: () => boolean = () => false;
  readonly opened = new Promise<void>((resolve) => {
    this.open = () => {
      resolve();
      return false;
    };
  });
}
