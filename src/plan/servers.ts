/** Checks of the servers themselves: versions, health, space, clocks. */
import { reaches, watchLimits } from '../source/limits.js';
import { bytes } from '../text.js';
import type { Side } from '../wire/side.js';
import type { AskedMember, AskedMembers } from './askmembers.js';
import { check, NO_TARGET, notAsked, ok, stop, warn, type Check, type Finding } from './check.js';

/** Clocks further apart than this are told. */
const CLOCK_SECONDS = 2;
/** etcd's own default where nothing is set. */
const DEFAULT_QUOTA_BYTES = 2 * 1024 ** 3;
const MOSTLY_FULL = 0.8;

/** From these on kube-apiserver may ask an etcd for progress (Kubernetes: IsRequestWatchProgressSupported). */
const PROGRESS_ON_REQUEST = { '3.4': 31, '3.5': 13 };
/** 3.5.0 to 3.5.2 could lose data after a crash (etcd's own advice: do not use them). */
const SOUND = { '3.4': 0, '3.5': 3 };

/** @param answersProgress whether its watch does, where that was asked */
export function versions(
  side: Side,
  members: AskedMembers | undefined,
  answersProgress = true,
): Check {
  const name = `${side} versions` as const;
  if (!members) return check(name, NO_TARGET);
  const known = [...new Set(answering(members).map((m) => m.version ?? ''))].sort();
  if (known.length === 0) return check(name, notAsked('No member answers.'));
  const findings = known.flatMap((version) => ofVersion(side, version));
  if (known.length > 1)
    findings.push(
      warn(
        `Its members are of different versions: ${known.join(', ')}.`,
        'Finish the update before you begin.',
      ),
    );
  if (!answersProgress)
    findings.push(
      warn(
        'Its watch does not answer when asked for progress, as behind an etcd grpc-proxy, so follow watches its whole key space and reads every value of every resource (docs/fine-print.md).',
        "Give the members' own addresses to --endpoints. Else have the network for that, and a user who may read every key.",
      ),
    );
  return check(
    name,
    ok(`etcd ${known.join(', ')}: no faults known that matter here.`),
    ...findings,
  );
}

function ofVersion(side: Side, version: string): Finding[] {
  const findings: Finding[] = [];
  if (!reaches(version, { '3.4': 0, '3.5': 0 }))
    findings.push(stop(`etcd ${version} is older than 3.4.`, 'Update it to 3.4 or newer first.'));
  else if (!reaches(version, SOUND))
    findings.push(
      (side === 'target' ? stop : warn)(
        `etcd ${version} can lose data after a crash (3.5.0 to 3.5.2).`,
        'Update it to a current 3.5.',
      ),
    );
  if (side === 'source' && !watchLimits(version).progressIsProof)
    findings.push(
      warn(
        `etcd ${version} has known watch faults, so follow watches its whole key space and reads every value of every resource (docs/fine-print.md).`,
        'Have the network for that, or update the source to 3.4.34, 3.5.16 or newer first. Its user must be allowed to read every key.',
      ),
    );
  if (side === 'target' && !reaches(version, PROGRESS_ON_REQUEST))
    findings.push(
      warn(
        `etcd ${version} makes newer apiservers turn off progress requests of watches for all resources, as soon as they use it for one.`,
        'Take 3.4.31, 3.5.13 or newer for the target.',
      ),
    );
  return findings;
}

export function health(side: Side, members: AskedMembers | undefined): Check {
  const name = `${side} health` as const;
  if (!members) return check(name, NO_TARGET);
  const answers = answering(members);
  if (answers.length === 0) return check(name, unanswered(side, members));
  const all =
    answers.length === 1
      ? 'The one member answers and has a leader'
      : `All ${answers.length} members answer and have a leader`;
  return check(
    name,
    ok(`${all}; no alarm.`),
    ...members.members.flatMap((member) => ofMember(side, member)),
    ...oneCluster(side, answers),
    ...alarms(members),
    ...missing(side, members),
    ...(side === 'source' ? readFromLeader(members) : []),
  );
}

/** Pages, watch and snapshot come from the first one that answers: of three members it may as well be a follower. */
function readFromLeader(members: AskedMembers): Finding[] {
  const [first, second] = answering(members);
  if (!first?.isLeader || !second) return [];
  return [
    ok(
      `${first.endpoint}, which is asked for the base and the watch, is the leader.`,
      "Name a follower first in --endpoints: then what a seed costs is not the leader's to pay.",
    ),
  ];
}

/** A target is restored before it is started, so that there may be nobody yet. */
function unanswered(side: Side, { members }: AskedMembers): Finding {
  const why = members.map((m) => m.error?.message ?? '').join('; ');
  const unavailable = members.every((m) => m.error?.code === 'UNAVAILABLE');
  if (side === 'target' && unavailable)
    return warn(
      `No member answers (${why}). That is as it should be before the base is restored.`,
      'If it is not made yet, go on with the steps below, and run plan again when it has started. If it runs, check addresses and network.',
    );
  return stop(`No member answers: ${why}.`, 'Check addresses, certificates and network.');
}

function ofMember(side: Side, member: AskedMember): Finding[] {
  const { endpoint, error, hasLeader, isLearner } = member;
  if (error)
    return [
      (side === 'source' ? warn : stop)(
        `${endpoint} does not answer: ${error.message}.`,
        'Have every member up before you begin: a cluster that is one failure from losing its quorum is no place to work on.',
      ),
    ];
  const findings: Finding[] = [];
  if (hasLeader === false)
    findings.push(stop(`${endpoint} has no leader.`, 'Mend the cluster before you begin.'));
  if (hasLeader === null)
    findings.push(
      notAsked(`${endpoint} tells its state to root only.`, 'Look with etcdctl endpoint status.'),
    );
  if (isLearner)
    findings.push(
      warn(`${endpoint} is a learner, which serves no clients.`, 'Leave it out of the endpoints.'),
    );
  return findings;
}

function oneCluster(side: Side, answers: readonly AskedMember[]): Finding[] {
  const clusters = new Set(answers.map((m) => m.clusterId));
  if (clusters.size < 2) return [];
  const list = answers.map((m) => `${m.endpoint} is ${m.clusterId ?? '?'}`).join(', ');
  return [
    stop(
      `The endpoints are of different clusters: ${list}.`,
      `Give the members of one cluster to ${side === 'source' ? '--endpoints' : '--dest-endpoints'}.`,
    ),
  ];
}

function alarms({ alarms: raised }: AskedMembers): Finding[] {
  if (!raised) return [notAsked('Alarms are told to root only.', 'Look with etcdctl alarm list.')];
  return raised.map(({ memberId, alarm }) =>
    stop(
      `Member ${memberId} has the alarm ${alarm}.`,
      alarm === 'NOSPACE'
        ? 'Compact, defragment, and disarm it (etcdctl alarm disarm), or raise --quota-backend-bytes.'
        : 'Its data is damaged: replace that member before anything is copied from it or to it.',
    ),
  );
}

function missing(side: Side, { missing: members }: AskedMembers): Finding[] {
  if (!members || members.length === 0) return [];
  const names = members.map((m) => m.name || m.memberId).join(', ');
  return [
    warn(
      `${members.length} of the cluster's members were not given, so they were not looked at: ${names}.`,
      `Give every member to ${side === 'source' ? '--endpoints' : '--dest-endpoints'}.`,
    ),
  ];
}

/** @param neededBytes what is going to be written there; 0 for the source */
export function space(side: Side, members: AskedMembers | undefined, neededBytes: number): Check {
  const name = `${side} space` as const;
  if (!members) return check(name, NO_TARGET);
  const sized = answering(members).filter((m) => m.dbBytes !== null);
  const [largest] = sized.sort((a, b) => (b.dbBytes ?? 0) - (a.dbBytes ?? 0));
  if (!largest) return check(name, notAsked('No member tells the size of its database.'));
  const db = largest.dbBytes ?? 0;
  const quotas = sized.map((m) => m.quotaBytes).filter((q) => q !== null);
  const quota = quotas.length > 0 ? Math.min(...quotas) : undefined;
  const limit = quota ?? DEFAULT_QUOTA_BYTES;
  const used = `The database has ${bytes(db)}${neededBytes > 0 ? `, and ${bytes(neededBytes)} are to come` : ''}; the quota is ${bytes(limit)}${quota === undefined ? ' if it is the default (no metrics to tell)' : ''}.`;
  // What is to come replaces what a target has that is in lockstep already.
  const expected = Math.max(db, neededBytes);
  if (expected < limit * MOSTLY_FULL) return check(name, ok(used));
  const todo = 'Defragment it, or raise --quota-backend-bytes.';
  if (side === 'source') return check(name, warn(used, todo));
  return check(name, (expected < limit ? warn : stop)(used, todo));
}

export function clocks(source: AskedMembers, target: AskedMembers | undefined): Check {
  const told = [...source.members, ...(target?.members ?? [])].filter(
    (m) => m.clockSeconds !== null,
  );
  if (told.length === 0)
    return check('clocks', notAsked('No member tells its time over HTTP (/version).'));
  const off = told.filter((m) => Math.abs(m.clockSeconds ?? 0) > CLOCK_SECONDS);
  if (off.length === 0)
    return check(
      'clocks',
      ok(
        `Members that tell their time: ${told.length}; they and this machine agree to ${CLOCK_SECONDS} s.`,
      ),
    );
  const list = off
    .map(({ endpoint, clockSeconds: s }) => {
      const seconds = s ?? 0;
      return `${endpoint} is ${Math.abs(seconds).toFixed(1)} s ${seconds > 0 ? 'ahead' : 'behind'}`;
    })
    .join(', ');
  return check(
    'clocks',
    warn(
      `Against this machine's clock ${list}.`,
      'Nothing here depends on clocks but what the logs say, and certificates that are new or about to end. Mend time synchronisation before you need those logs.',
    ),
  );
}

function answering({ members }: AskedMembers): AskedMember[] {
  return members.filter((member) => member.error === null);
}
