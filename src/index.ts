/**
 * etcd-lockstep as a library: docs/library.md.
 *
 * {@link Migration} is what the commands of a migration do, {@link PlainMirror} what `mirror` does; the
 * rest is what they are given, what they give, and the commands that need no two etcds.
 */
/// <reference types="node" preserve="true" />

// A migration
export {
  Migration,
  type AuditRequest,
  type CutoverRequest,
  type FenceRequest,
  type FollowRequest,
  type MigrationOptions,
  type MigrationStatus,
  type RehearseRequest,
  type RetireRequest,
  type ReverseRequest,
  type RollbackRequest,
  type SeedRequest,
} from './migration.js';
export type { Ends } from './ends.js';
export type { Connection, TlsFiles } from './wire/connection.js';
export type { Side } from './wire/side.js';
export { PrefixSet } from './mvcc/prefix.js';
export type { SeedCount, SeedFrom } from './base/seed.js';
export type { Sealed } from './base/basefile.js';
export type { FollowState, FollowStatus } from './lockstep/follow.js';
export type { ReverseAbout } from './reverse/reverse.js';
export type { ReversePhase, ReverseStatus } from './reverse/reversestatus.js';
export type { LateKey, LateSum } from './target/reversecursor.js';
export type { WayStatus } from './lockstep/ways.js';
export type { ThrottleStatus } from './lockstep/throttle.js';
export type { StandbyStatus } from './lockstep/standby.js';
export type { Steering } from './steering.js';
export type { PeersOptions } from './target/peers.js';
export type { SourceWindow } from './lockstep/sourcehistory.js';
export type { LeasesKept } from './leases/keeper.js';
export type { Retried } from './async/retries.js';
export type { Trouble } from './async/trouble.js';
export type { StatusesOptions } from './async/statuses.js';
export type { Cursor } from './target/cursor.js';
export type { CutoverStatus, TargetStatus, WayBackStatus } from './target/targetstatus.js';

// Audits
export type { AuditingRequest, AuditingStatus } from './auditing/auditing.js';
export type { AuditOutcome } from './auditing/outcome.js';
export type { Ahead, AuditReport, Difference, Field, SideReport } from './audit/report.js';
export type { AuditWitness, OnDifference, SideRows } from './audit/witness.js';
export type { ClusterFacts } from './report/clusters.js';

// A night
export type { Answer } from './kube/answer.js';
export { ApiServer, type Credentials, type HttpMethod, type Query } from './kube/api.js';
export { loadKube } from './kube/config.js';
export { parseResource, PODS, resourceName, type Resource } from './kube/resource.js';
export { overrides } from './cutover/switch.js';
export type { KubeStatus } from './proof/nightstatus.js';
export { NIGHT_DEFAULTS, type CutoverReport, type GoAbout } from './cutover/nightoptions.js';
export type { Postponed } from './config/postponed.js';
export type { Phase } from './target/cutoverstate.js';
export type { Heads, Serving } from './proof/servedfrom.js';
export type { Moving, NightEvent, OnNightEvent } from './cutover/nightevents.js';
export type { NightStep, StepTime } from './cutover/steps.js';
export type { Finding } from './cutover/findings.js';
export type { HookRun, RehearsedApiserver, RunHook, ServedFrom } from './cutover/rehearsedhooks.js';
export type { RehearsalReport } from './cutover/rehearse.js';
export type { LiveSample, Took } from './cutover/livesample.js';
export type { Outlook } from './cutover/outlook.js';
export type { FenceReport } from './cutover/fencealone.js';
export type { RetireFound, RetireReport } from './cutover/retire.js';
export type { RollbackReport } from './cutover/rollback.js';

// The freeze alone, for who moves the apiservers himself
export { freezeByHand, thawByHand, type MadeFreeze } from './cutover/byhand.js';
export type { FreezingOptions } from './kube/freezing.js';
export { freezeObjects, type Manifest, type FreezeWay } from './kube/manifests.js';
export type { FreezeOwner } from './kube/owner.js';
export { freezeWay } from './kube/way.js';
export { probe, type Expected, type ProbeReport } from './kube/probe.js';

// The plain mirror
export {
  PlainMirror,
  type MirrorRequest,
  type PlainMirrorOptions,
  type ValuesRequest,
} from './plainmirror.js';
export type { MirrorPhase, MirrorStatus } from './mirror/mirrorstatus.js';
export type { ValuesReport } from './audit/values.js';

// Without a target
export { crop, type Cropped, type CropOptions } from './base/crop.js';
export { makePlan, type Plan, type PlanOptions, type PlanProgress } from './plan/plan.js';

// Errors
export {
  LockstepError,
  type Disposition,
  type ErrorCode,
  type ErrorSide,
  type LockstepErrorOptions,
} from './errors.js';
