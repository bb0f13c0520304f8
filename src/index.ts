/** etcd-lockstep as a library: what its commands are made of. */
export { audit, type AuditOptions } from './audit/audit.js';
export type { AuditReport, Difference, SideReport } from './audit/report.js';
export { crop, type Cropped, type CropOptions } from './base/crop.js';
export type { Sealed } from './base/basefile.js';
export { seed, type SeedOptions } from './base/seed.js';
export type { Cursor } from './cursor.js';
export { LockstepError, type Disposition, type ErrorCode } from './errors.js';
export { Journal, type JournalState } from './journal/journal.js';
export { repairJournal, type RepairOptions } from './lockstep/repair.js';
export { Follower, type FollowOptions, type FollowStatus } from './lockstep/follow.js';
export { PrefixSet } from './mvcc/prefix.js';
export type { Position } from './position.js';
export { targetStatus, type TargetStatus } from './lockstep/status.js';
export { EtcdClient } from './wire/client.js';
export type { Connection, TlsFiles } from './wire/connection.js';
