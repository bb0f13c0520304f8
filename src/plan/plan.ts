/**
 * A preflight: what the source holds and does, what to split and how, and whether anything is in the
 * way. It asks both sides and changes nothing on either.
 *
 *     members ─► folders (skip-scan) ─► prefixes (read whole) ─► a watch for a while ─► checks
 *
 * One thing after the other, so that what is timed is not disturbed by what else we do.
 */
import { badArgument, hasCode, LockstepError } from '../errors.js';
import type { Resource } from '../kube/resource.js';
import { probeKey, PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { answersProgress } from '../source/progressproof.js';
import { rootOf, rootsWith, USUAL_ROOT, whatIsThere } from '../source/roots.js';
import { refuseOneIfTold } from '../source/sameetcd.js';
import type { PeersOptions } from '../target/peers.js';
import { EtcdClient } from '../wire/client.js';
import type { Connection } from '../wire/connection.js';
import { askMembers, type AskedMember, type AskedMembers } from './askmembers.js';
import { check, NO_TARGET, notAsked, type Check } from './check.js';
import { readContents, type Contents, type ContentsProgress } from './contents.js';
import * as data from './data.js';
import { estimate, pace, targetBytes, type Estimates } from './estimates.js';
import { measureFolders, type FolderSize } from './foldersizes.js';
import {
  allOverrides,
  askedParts,
  planParts,
  seededFolders,
  type AskedPart,
  type Part,
} from './parts.js';
import { sampleRates, type Activity, type Rates } from './rates.js';
import * as servers from './servers.js';
import { overrides, resources, split, type Split } from './split.js';
import { credentials, targetStock } from './targetcheck.js';
import { peerPort } from './peercheck.js';
import { compaction, readWindow, type Window } from './window.js';

/** Whom to ask, and about what. */
export interface PlanOptions {
  source: Connection;
  target: Connection | undefined;
  /** Pods where there is none. */
  prefixes: PrefixSet | undefined;
  /** Resources that get an etcd each, in place of prefixes and a target. */
  split?: readonly Resource[] | undefined;
  /** The target's peer ports, where it may be written through them. */
  peers?: PeersOptions | undefined;
  sampleSeconds: number;
  onProgress: (progress: PlanProgress) => void;
  signal: AbortSignal;
}

/** What it is at. */
export type PlanProgress =
  | { step: 'members' }
  | { step: 'folders'; folders: number }
  | ({ step: 'contents' } & ContentsProgress)
  | { step: 'rates'; secondsLeft: number; events: number };

/** One resource, or what else has a folder of its own. */
export interface PlannedFolder extends Split {
  /** While it was watched; null where that was not allowed. */
  activity: Activity | null;
}

/** What there is, what to split and how, and what is in the way. */
export interface Plan {
  /** kube-apiserver's --etcd-prefix, with a slash at both ends. */
  root: string;
  prefixes: string[];
  /** Largest first. Only the prefixes where the user may not look at the rest. */
  folders: PlannedFolder[];
  contents: Contents;
  rates: Omit<Rates, 'byFolder'>;
  window: Window;
  estimates: Estimates;
  /** Of a split; null where one etcd is planned. */
  parts: Part[] | null;
  /** Value of kube-apiserver's --etcd-servers-overrides. */
  overrides: string;
  checks: Check[];
  source: { head: Revision; members: AskedMember[] };
  target: { members: AskedMember[] } | null;
}

const PODS_FOLDER = 'pods/';

/** What stands in the flag for etcds that are not made yet. */
const TO_BE_NAMED = {
  lockstep: ['https://PODS-ETCD:2379'],
  configuration: ['https://EVENTS-ETCD:2379'],
  mirror: ['https://LEASES-ETCD:2379'],
};

/**
 * @throws LockstepError UNAVAILABLE, TLS, PERMISSION where the source cannot be read. What is wrong with
 *   the target is a check's finding.
 */
export async function makePlan(options: PlanOptions): Promise<Plan> {
  const { source: from, target: to, onProgress } = options;
  const { signal } = options;
  const source = new EtcdClient(from, 'source').closeAt(signal);
  const target = to && new EtcdClient(to, 'target').closeAt(signal);
  try {
    onProgress({ step: 'members' });
    const root = await findReadableRoot(source, options.prefixes);
    const parts = options.split && askedParts(options.split, root);
    const prefixes =
      options.prefixes ?? PrefixSet.of(parts ? seededFolders(parts) : [root + PODS_FOLDER]);
    const key = probeKey(prefixes);
    const head = await readableHead(source, key, options.prefixes !== undefined);
    const members = await askMembers(from, 'source', key, signal);
    const progress = await answersProgress(source, key);
    const targetMembers = to && (await askMembers(to, 'target', key, signal));
    const answers = targetMembers?.members.some(({ error }) => error === null);
    if (target && answers) await refuseOneIfTold(source, target, key);
    const facts = await readSource(source, root, prefixes, targetMembers, options);
    const checks = [
      ...checkData(facts, await instead(source, facts)),
      ...checkServers(members, targetMembers, facts, progress),
      ...(await checkTarget(options, source, target, targetMembers, prefixes)),
    ];
    signal.throwIfAborted();
    return {
      ...compile(facts, to?.endpoints, parts),
      checks,
      source: { head, members: members.members },
      target: targetMembers ? { members: targetMembers.members } : null,
    };
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    source.close();
    target?.close();
  }
}

/** What the source holds and does. */
interface Facts {
  prefixes: PrefixSet;
  root: string;
  sizes: FolderSize[];
  contents: Contents;
  rates: Rates;
  window: Window;
  estimates: Estimates;
}

async function readSource(
  source: EtcdClient,
  root: string,
  prefixes: PrefixSet,
  target: AskedMembers | undefined,
  options: PlanOptions,
): Promise<Facts> {
  const { sampleSeconds: seconds, onProgress, signal } = options;
  const sizes = await folderSizes(source, root, options);
  const onContents = (now: ContentsProgress) => {
    onProgress({ step: 'contents', ...now });
  };
  const contents = await readContents(source, prefixes, onContents, signal);
  const onRates = (secondsLeft: number, events: number) => {
    onProgress({ step: 'rates', secondsLeft, events });
  };
  const rates = await sampleRates(source, { prefixes, root, seconds, onProgress: onRates, signal });
  const window = await readWindow(source, probeKey(prefixes), rates);
  const estimates = estimate(contents, rates, window, target);
  return { prefixes, root, sizes, contents, rates, window, estimates };
}

function compile(
  facts: Facts,
  endpoints: readonly string[] | undefined,
  asked: readonly AskedPart[] | undefined,
): Omit<Plan, 'checks' | 'source' | 'target'> {
  const { root, prefixes, contents, rates, window, estimates } = facts;
  const folders = planFolders(
    facts,
    asked?.map(({ resource }) => resource),
  );
  const { byFolder: _, ...totals } = rates;
  const servers = { ...TO_BE_NAMED, lockstep: endpoints ?? TO_BE_NAMED.lockstep };
  const { seedSeconds } = estimates;
  const parts = asked ? planParts(asked, { folders, rates, contents, seedSeconds }) : null;
  return {
    ...{ root, prefixes: [...prefixes.list], folders, contents, rates: totals, window, estimates },
    parts,
    overrides: parts
      ? allOverrides(parts)
      : overrides(folders, ({ way }) => (way === 'stays' ? [] : servers[way])),
  };
}

/**
 * The usual one where the user may read some prefixes only, which do not tell. Who has the pods of several
 * clusters has to name the prefixes.
 */
async function findReadableRoot(
  source: EtcdClient,
  prefixes: PrefixSet | undefined,
): Promise<string> {
  const given = prefixes?.list.map(rootOf).find((root) => root !== undefined);
  if (given !== undefined) return given;
  try {
    const { roots, having } = await rootsWith(source, PODS_FOLDER);
    if (having.length > 1 && !prefixes) throw severalRoots(having);
    return having[0] ?? roots[0] ?? USUAL_ROOT;
  } catch (error) {
    if (hasCode(error, 'PERMISSION')) return USUAL_ROOT;
    throw error;
  }
}

/** @param given whether somebody has named the prefix that is asked for */
async function readableHead(
  source: EtcdClient,
  key: Uint8Array,
  given: boolean,
): Promise<Revision> {
  try {
    return (await source.head(key)).revision;
  } catch (error) {
    if (given || !hasCode(error, 'PERMISSION')) throw error;
    throw error.as({
      hint: 'Without --prefix it is for the pods: name what this user may read, or see docs/access.md for the least role.',
    });
  }
}

function severalRoots(roots: readonly string[]): LockstepError {
  const pods = roots.map((root) => root + PODS_FOLDER);
  return badArgument(
    `--prefix missing, and pods lie under several roots (--etcd-prefix of kube-apiserver): ${roots.join(', ')}`,
    `Name the one that the apiservers use: --prefix ${pods.join(' or --prefix ')}`,
  );
}

/** None where the user may not look at everything. */
async function folderSizes(
  source: EtcdClient,
  root: string,
  { onProgress, signal }: PlanOptions,
): Promise<FolderSize[]> {
  let folders = 0;
  try {
    return await measureFolders(source, root, () => {
      signal.throwIfAborted();
      onProgress({ step: 'folders', folders: ++folders });
    });
  } catch (error) {
    if (hasCode(error, 'PERMISSION')) return [];
    throw error;
  }
}

/** What there is where a prefix has no keys. */
async function instead(source: EtcdClient, { contents }: Facts): Promise<string | undefined> {
  const empty = contents.prefixes.find(({ keys }) => keys === 0);
  return empty && whatIsThere(source, empty.prefix);
}

function checkData(
  { root, contents, rates, window, estimates }: Facts,
  instead: string | undefined,
): Check[] {
  return [
    resources(contents.prefixes, root, instead),
    data.leases(contents),
    data.largestValue(contents, rates),
    data.encryption(contents),
    compaction(window, estimates.seedSeconds),
    pace(rates, estimates),
  ];
}

function checkServers(
  source: AskedMembers,
  target: AskedMembers | undefined,
  { contents, rates }: Facts,
  sourceAnswersProgress: boolean,
): Check[] {
  return [
    servers.versions('source', source, sourceAnswersProgress),
    servers.versions('target', target),
    servers.health('source', source),
    servers.health('target', target),
    servers.space('source', source, 0),
    servers.space('target', target, targetBytes(contents, rates)),
    servers.clocks(source, target),
  ];
}

const OF_TARGET = ['target stock', 'credentials', 'peer port'] as const;

async function checkTarget(
  { source: from, target: to, peers }: PlanOptions,
  source: EtcdClient,
  target: EtcdClient | undefined,
  members: AskedMembers | undefined,
  prefixes: PrefixSet,
): Promise<Check[]> {
  // Each question to one that is not there would take its time again.
  const nobody = members?.members.every(({ error }) => error?.code === 'UNAVAILABLE');
  if (!to || !target || nobody) {
    const why = nobody ? notAsked('No member of the target answers.') : NO_TARGET;
    return OF_TARGET.map((name) => check(name, why));
  }
  return [
    await targetStock(target, source, prefixes),
    await credentials(from, to, probeKey(prefixes)),
    await peerPort(target, peers),
  ];
}

/**
 * Sizes that were read whole take the place of those that were guessed. What has appeared since they
 * were taken has no size, but is being written.
 */
function planFolders(
  { sizes, prefixes, root, contents, rates }: Facts,
  asked: readonly string[] | undefined,
): PlannedFolder[] {
  const known = new Map(sizes.map((size) => [size.folder, size]));
  for (const { prefix: folder, keys, bytes } of contents.prefixes)
    known.set(folder, { folder, keys, bytes, exact: true });
  if (rates.everything)
    for (const folder of rates.byFolder.keys())
      if (!known.has(folder)) known.set(folder, { folder, keys: 0, bytes: 0, exact: false });
  const quiet = { revisions: 0, events: 0, bytes: 0 };
  return split([...known.values()], prefixes, root, asked)
    .map((planned) => ({
      ...planned,
      activity: rates.everything ? (rates.byFolder.get(planned.folder) ?? quiet) : null,
    }))
    .sort((a, b) => b.bytes - a.bytes);
}
