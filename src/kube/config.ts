/**
 * Apiservers, and how to be let in by them, out of a kubeconfig.
 *
 * Of @kubernetes/client-node only KubeConfig is used: it knows certificates, tokens and exec plugins.
 * It is loaded where it is needed first, and by its own module: the package's index loads the models of
 * all of Kubernetes.
 */
import { existsSync } from 'node:fs';
import { validateHeaderValue, type Agent } from 'node:http';
import type { RequestOptions } from 'node:https';
import type { Cluster, KubeConfig, User } from '@kubernetes/client-node';
import { badArgument, LockstepError } from '../errors.js';
import { machineRoots } from '../wire/machineroots.js';
import { ApiServer, type Credentials } from './api.js';

/** Some exec plugins do not say how long their token is good; they are not run for each request. */
const ASKED_ANEW_MS = 30_000;

/**
 * One client for each apiserver, all with the credentials of the current context.
 *
 * @param file undefined: as kubectl finds it, $KUBECONFIG, ~/.kube/config, or the pod it runs in
 * @param apiservers undefined: the kubeconfig's server
 * @throws LockstepError BAD_ARGUMENT for a kubeconfig that cannot be used
 */
export async function loadKube(
  file: string | undefined,
  apiservers: readonly string[] | undefined,
): Promise<ApiServer[]> {
  const config = await readKubeConfig(file);
  const name = file ?? 'the kubeconfig';
  const context = config.getContextObject(config.getCurrentContext());
  const cluster = context && config.getCluster(context.cluster);
  const user = context && config.getUser(context.user);
  if (!cluster || !user)
    throw badArgument(
      `${name}: ${context ? `context ${context.name} names no ${cluster ? 'user' : 'cluster'} that is there` : 'no current context'}`,
      'See kubectl config get-contexts; choose one with kubectl config use-context NAME.',
    );
  const urls = apiservers ?? [cluster.server];
  return Promise.all(
    urls.map(async (url) => new ApiServer(url, await credentialsFor(cluster, user, url))),
  );
}

/** The same, closed when `use` has ended. */
export async function withKube<T>(
  file: string | undefined,
  apiservers: readonly string[] | undefined,
  use: (apiservers: ApiServer[]) => Promise<T>,
): Promise<T> {
  const loaded = await loadKube(file, apiservers);
  try {
    return await use(loaded);
  } finally {
    for (const api of loaded) api.close();
  }
}

async function readKubeConfig(file: string | undefined): Promise<KubeConfig> {
  if (file !== undefined && !existsSync(file))
    throw badArgument(`--kubeconfig ${file}: no such file`, 'Check its path.');
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  try {
    if (file === undefined) config.loadFromDefault();
    else config.loadFromFile(file);
  } catch (error) {
    throw badArgument(
      `${file ?? 'the kubeconfig'} cannot be used: ${withoutContent(error)}`,
      'Check that kubectl works with it, and that we may read it.',
    );
  }
  // What the package falls back to where it finds nothing, and nobody means.
  if (config.getCurrentCluster()?.server === 'http://localhost:8080')
    throw badArgument(
      'no kubeconfig: neither $KUBECONFIG nor ~/.kube/config is there',
      'Give it in --kubeconfig.',
    );
  return config;
}

async function credentialsFor(
  cluster: Cluster,
  user: User,
  url: string,
): Promise<() => Promise<Credentials>> {
  const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js');
  const config = new KubeConfig();
  // The package refuses http:// where certificates are to be checked.
  const skipTLSVerify = cluster.skipTLSVerify || url.startsWith('http:');
  config.loadFromClusterAndUser({ ...cluster, server: url, skipTLSVerify }, user);
  let last: { credentials: Credentials; at: number } | undefined;
  return async () => {
    if (last && Date.now() - last.at < ASKED_ANEW_MS) return last.credentials;
    const credentials = await credentialsOf(config, cluster, user);
    last = { credentials, at: Date.now() };
    return credentials;
  };
}

async function credentialsOf(
  config: KubeConfig,
  cluster: Cluster,
  user: User,
): Promise<Credentials> {
  const options: RequestOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw new LockstepError(
      'KUBE',
      `the credentials of user ${user.name} in the kubeconfig cannot be got: ${withoutContent(error)}`,
      {
        hint: 'Check that kubectl works with the same kubeconfig on this machine; log in again if it asks for that.',
      },
    );
  }
  const {
    ca = machineRoots(),
    cert,
    key,
    servername,
    rejectUnauthorized,
    headers,
    auth,
    agent,
  } = options;
  const tls = { ca, cert, key, servername, rejectUnauthorized };
  const given = Object.entries(tls).filter(([, value]) => value !== undefined);
  return {
    tls: Object.fromEntries(given),
    headers: sendable((headers ?? {}) as Record<string, string>, user),
    ...(auth == null ? {} : { auth }),
    ...(cluster.proxyUrl === undefined ? {} : { proxy: agent as Agent }),
  };
}

/**
 * A token out of a file or a block of YAML may end in a line break: kubectl cuts that off, and so do we.
 * @throws LockstepError KUBE for what no header can hold
 */
function sendable(headers: Record<string, string>, user: User): Record<string, string> {
  const cut = Object.entries(headers).map(
    ([name, value]) => [name, typeof value === 'string' ? value.trim() : value] as const,
  );
  for (const [name, value] of cut)
    try {
      validateHeaderValue(name, value);
    } catch {
      throw new LockstepError(
        'KUBE',
        `the credentials of user ${user.name} in the kubeconfig cannot be sent: what belongs in ${name} has a line break or another control character in it`,
        { hint: 'A token is one line. Check that kubectl works with the same kubeconfig.' },
      );
    }
  return Object.fromEntries(cut);
}

/**
 * What was wrong, without what stands in the file or came from a plugin: parsers quote the text
 * that they stumble over, and that may be a key or a token.
 */
function withoutContent(error: unknown): string {
  const { reason, mark } = error as { reason?: string; mark?: { line: number } };
  if (mark) return `line ${mark.line + 1} is no YAML (${reason ?? ''})`;
  if (error instanceof SyntaxError) return 'what the plugin printed is no JSON';
  if (error instanceof TypeError) return 'it is empty, or no kubeconfig';
  return error instanceof Error ? error.message.trim() : String(error);
}
