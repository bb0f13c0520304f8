/** etcd-lockstep status */
import type { Command } from 'commander';
import { BOTH_ACCESS, sourceConnection, targetConnection } from '../config/access.js';
import type { Options } from '../config/options.js';
import { badArgument } from '../errors.js';
import { withKube } from '../kube/config.js';
import { mirrorBehind, mirrorsOn } from '../mirror/mirrorbehind.js';
import { nightStatus, type KubeStatus } from '../proof/nightstatus.js';
import { measureBehind } from '../source/behind.js';
import { CURSOR_KEY } from '../target/cursor.js';
import { targetStatus, type TargetStatus } from '../target/targetstatus.js';
import { EtcdClient } from '../wire/client.js';
import { EXIT_DIFFERENT, register } from './command.js';
import { nextStep } from './nextstep.js';
import { askRunning } from './running.js';
import { statusText, type Lags } from './statustext.js';
import { flagAgain, flagsOf, sideFlags, type Again } from './typed.js';

/** How long it is looked whether somebody follows, where nobody says how long. */
const LOOK_SECONDS = 2;

export function statusCommand(program: Command): void {
  register(program, {
    name: 'status',
    description:
      'Say what the target holds, how far it is behind, how far a cutover is and whose, and what to do next.',
    required: ['destEndpoints'],
    optional: ['endpoints', 'maxLag', 'listener', 'kubeconfig', 'apiservers', ...BOTH_ACCESS],
    help: { endpoints: 'source etcd: to say how far the target is behind' },
    example:
      'etcd-lockstep status --dest-endpoints http://10.0.1.1:2379 --endpoints http://10.0.0.1:2379 --kubeconfig admin.conf',
    run: async (options, { print, signal }) => {
      const { endpoints, maxLag, listener } = options;
      if (maxLag !== undefined && !endpoints)
        throw badArgument('--max-lag needs the source', 'Add --endpoints ….');
      const at = endpoints && (await sourceConnection({ ...options, endpoints }));
      const target = new EtcdClient(await targetConnection(options), 'target').closeAt(signal);
      const source = at && new EtcdClient(at, 'source').closeAt(signal);
      try {
        const status = await targetStatus(target, source);
        const within = maxLag ?? LOOK_SECONDS;
        const lags = await measureAll(status, source, target, { within, signal });
        const asked = {
          source: source?.clusterId ?? status.cursor?.source ?? null,
          target: target.clusterId ?? null,
        };
        const running = listener ? await askRunning(listener, asked, signal) : null;
        const kubernetes = await inKubernetes(options, status, source, target);
        // What was given up for it is not an answer.
        signal.throwIfAborted();
        const next = nextStep(status, kubernetes);
        print({ ...status, ...lags, running, kubernetes, next }, () =>
          statusText({
            status,
            lags,
            within,
            running,
            kubernetes,
            next,
            flags: flagsAgain(options),
          }),
        );
        const late = isLate(status, lags) || running?.trouble;
        return maxLag !== undefined && late ? EXIT_DIFFERENT : 0;
      } finally {
        target.close();
        source?.close();
      }
    },
  });
}

/** Where it can be told: of a target that may be followed into, and of each mirror. */
async function measureAll(
  status: TargetStatus,
  source: EtcdClient | undefined,
  target: EtcdClient,
  { within, signal }: { within: number; signal: AbortSignal },
): Promise<Lags> {
  const { kind, trouble, cursor } = status;
  const mirrors = kind === 'mirror' ? await mirrorsOn(target) : [];
  if (!source)
    return { behind: null, mirrors: mirrors.map((m) => ({ ...m.cursor, behind: null })) };
  const followed = kind === 'lockstep' && !trouble ? cursor : null;
  const ask = async (etcd: EtcdClient, key: Buffer) => (await etcd.head(key)).revision;
  return {
    behind:
      followed &&
      (await measureBehind(
        // A key that a user of the least roles may read.
        () => ask(source, Buffer.from(followed.prefixes[0] ?? '')),
        () => ask(target, CURSOR_KEY),
        within,
        signal,
      )),
    mirrors: await Promise.all(
      mirrors.map(async (found) => ({
        ...found.cursor,
        behind: await mirrorBehind(found, { source, target }, within, signal),
      })),
    ),
  };
}

/** A target that was taken over is followed no more, and late for nobody. */
function isLate({ kind, position, sourceHead }: TargetStatus, { behind, mirrors }: Lags): boolean {
  switch (kind) {
    case 'cut over':
      return false;
    case 'lockstep':
      return (behind?.seconds ?? null) === null || position > (sourceHead ?? 0);
    case 'mirror': {
      const ours = mirrors.filter((mirror) => mirror.behind !== null);
      return ours.length === 0 || ours.some((mirror) => mirror.behind?.seconds === null);
    }
    default:
      return true;
  }
}

/** Null where no kubeconfig is given. */
async function inKubernetes(
  { kubeconfig, apiservers }: Partial<Pick<Options, 'kubeconfig' | 'apiservers'>>,
  status: TargetStatus,
  source: EtcdClient | undefined,
  target: EtcdClient,
): Promise<KubeStatus | null> {
  if (kubeconfig === undefined && apiservers === undefined) return null;
  return withKube(kubeconfig, apiservers, (apis) => nightStatus(apis, status, { source, target }));
}

/** What the commands that it names have to be given, as this one was. */
function flagsAgain(options: Again): string {
  const { kubeconfig, apiservers } = options;
  return flagsOf(
    options,
    sideFlags('source', options),
    sideFlags('target', options),
    kubeconfig === undefined ? '' : flagAgain(options, 'kubeconfig', kubeconfig),
    apiservers === undefined ? '' : flagAgain(options, 'apiservers', apiservers.join(',')),
  );
}
