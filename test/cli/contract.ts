/**
 * The JSON contract, written down a second time. Strict: a field more or less in what a command
 * prints is a change of the contract, which docs/reference.md has to follow (reference.test.ts).
 */
import { z } from 'zod';
import type { View } from '../../src/listen/view.js';
import { parseView } from '../../src/listen/viewschema.js';

const count = z.number().int().nonnegative();
const revision = z.number().int().positive();
const checksum = z.string().regex(/^[0-9a-f]{16}$/);
const hexId = z.string().regex(/^[0-9a-f]{1,16}$/);
const prefixes = z.array(z.string()).min(1);

/** Two for each member. */
const restore = z.array(z.string().regex(/^(etcdutl snapshot restore|etcd) /)).min(2);

const sealed = {
  out: z.string(),
  head: revision,
  compactRevision: revision,
  keys: count,
  checksum,
  rows: count,
  leases: count,
  fileBytes: count,
};

export const seed = z.strictObject({
  ...sealed,
  read: z.strictObject({ keys: count, bytes: count, seconds: z.number().nonnegative() }),
  seconds: z.number().positive(),
  restore,
});

export const crop = z.strictObject({
  ...sealed,
  resources: z.array(
    z.strictObject({ resource: z.string(), keys: count, liveBytes: count, oldBytes: count }),
  ),
  snapshotBytes: count,
  snapshotBytesInUse: count,
  restore,
});

const leases = z
  .strictObject({ kept: count, missed: count, endsInSeconds: count.nullable() })
  .nullable();
const retries = z.array(
  z.strictObject({ code: z.string(), side: z.string().nullable(), count: z.number().positive() }),
);
const trouble = z
  .strictObject({
    code: z.string(),
    message: z.string(),
    hint: z.string().nullable(),
    since: z.iso.datetime(),
  })
  .nullable();

export const follow = z.strictObject({
  state: z.enum([
    'waiting for the source',
    'waiting for the target',
    'bridging a gap',
    'catching up',
    'in lockstep',
    'standby',
    'taken over',
  ]),
  prefixes,
  clusters: z.strictObject({ source: hexId, target: hexId.nullable() }),
  position: revision.nullable(),
  journalPosition: revision,
  sourceHead: count,
  lagRevisions: count.nullable(),
  lagSeconds: z.number().nonnegative().nullable(),
  caughtUpAt: z.iso.datetime().nullable(),
  revisions: count,
  fillers: count,
  puts: count,
  deletions: count,
  bytes: count,
  compactRevision: count,
  way: z.strictObject({
    by: z.enum(['transactions', 'proposals']).nullable(),
    where: z.string().nullable(),
    why: z
      .strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() })
      .nullable(),
  }),
  throttle: z.strictObject({
    maxRate: count.nullable(),
    nowRate: count.nullable(),
    because: z.enum(['max rate', 'the source is slow', 'the target is slow']).nullable(),
    holds: z.boolean(),
  }),
  standby: z
    .strictObject({
      active: z.boolean(),
      follower: z.uuid(),
      named: z.uuid().nullable(),
      stillSeconds: count,
      journalLagSeconds: z.number().nonnegative(),
      turns: count,
    })
    .nullable(),
  compaction: z
    .strictObject({
      revision,
      movedAt: z.iso.datetime().nullable(),
      keepsSeconds: count.nullable(),
      leftSeconds: count.nullable(),
    })
    .nullable(),
  leases,
  retries,
  trouble,
  cutover: z.strictObject({ phase: z.string(), exact: revision }).nullable(),
  revisionsPerSecond: count,
  journalBytes: count,
  journalFreeBytes: count.nullable(),
  audits: z.array(
    z.strictObject({
      at: z.iso.datetime(),
      result: z.enum(['equal', 'different', 'failed']),
      revision: revision.nullable(),
      keys: count,
      differences: count,
      seconds: z.number().nonnegative(),
      file: z.string().nullable(),
      message: z.string().nullable(),
    }),
  ),
  auditing: z
    .strictObject({
      since: z.iso.datetime(),
      share: z.number().min(0).max(1).nullable(),
      differences: count,
    })
    .nullable(),
});

const phase = z.enum([
  ...(['fenced', 'switched', 'done', 'rolling back', 'switched back', 'rolled back'] as const),
  ...(['retiring', 'retired'] as const),
]);

const lateSum = { count, replaced: count, all: z.boolean() };

/** Of `follow --reverse`, and of what a cutover goes on with. */
export const reverse = z.strictObject({
  state: z.enum([
    'raising the source',
    'waiting for the target',
    'waiting for the source',
    'comparing',
    'catching up',
    'the way back is open',
    'over',
  ]),
  clusters: z.strictObject({ source: hexId.nullable(), target: hexId.nullable() }),
  prefixes: z.array(z.string()),
  exact: revision.nullable(),
  position: revision.nullable(),
  sourceHead: count,
  targetHead: count,
  margin: z.number().int().nullable(),
  lagRevisions: count.nullable(),
  lagSeconds: z.number().nonnegative().nullable(),
  caughtUpAt: z.iso.datetime().nullable(),
  comparing: z.strictObject({ keys: count }).nullable(),
  lateWrites: z.strictObject({
    ...lateSum,
    open: z.array(z.strictObject({ key: z.string(), keyBase64: z.base64().optional(), revision })),
  }),
  lateSeen: revision.nullable(),
  lateSeenSeconds: z.number().nonnegative().nullable(),
  transactions: count,
  puts: count,
  deletions: count,
  bytes: count,
  revisions: count,
  leases,
  endedBy: phase.nullable(),
  retries,
  trouble,
  keysPerSecond: count,
});

export const control = {
  throttle: z.strictObject({
    throttle: z.strictObject({ maxRate: count.nullable(), before: count.nullable() }),
  }),
  audit: z.strictObject({ audit: z.strictObject({ state: z.string(), reports: z.string() }) }),
  logLevel: z.strictObject({
    logLevel: z.strictObject({ level: z.string(), before: z.string() }),
  }),
  stop: z.strictObject({ stop: z.strictObject({ stopping: z.literal(true) }) }),
};

export const mirror = z.strictObject({
  state: z.enum([
    'waiting for the source',
    'waiting for the target',
    'comparing',
    'catching up',
    'mirroring',
  ]),
  clusters: z.strictObject({ source: hexId.nullable(), target: hexId.nullable() }),
  position: count.nullable(),
  sourceHead: count,
  lagRevisions: count.nullable(),
  lagSeconds: z.number().nonnegative().nullable(),
  caughtUpAt: z.iso.datetime().nullable(),
  comparing: z.strictObject({ keys: count, remaining: count }).nullable(),
  transactions: count,
  puts: count,
  deletions: count,
  bytes: count,
  revisions: count,
  foreign: count,
  leases,
  retries,
  trouble,
  keysPerSecond: count,
});

export const mirrorForeignKey = z.strictObject({
  foreignKey: z.strictObject({ key: z.string(), keyBase64: z.base64().optional() }),
});

const names = z.strictObject({ keys: count, names: checksum });

export const mirrorCursor = z.strictObject({
  format: z.literal(1),
  source: hexId,
  prefix: z.string(),
  destPrefix: z.string(),
  revision: count.nullable(),
  ours: names.nullable(),
  foreign: names,
  mirror: z.uuid(),
  at: z.iso.datetime(),
});

const gap = z.strictObject({ after: revision, to: revision }).nullable();

const side = z.strictObject({ cluster: hexId, version: z.string(), keys: count, checksum });

export const auditDifference = z.strictObject({
  difference: z.strictObject({
    key: z.string(),
    keyBase64: z.base64().optional(),
    kind: z.enum(['missing on target', 'extra on target', 'different']),
    fields: z.array(z.enum(['value', 'mod_revision', 'create_revision', 'version', 'lease'])),
    revision: revision.optional(),
  }),
});

const changes = z.strictObject({
  put: count,
  first: revision.nullable(),
  last: revision.nullable(),
  deleted: count.nullable(),
});

export const auditReport = z.strictObject({
  report: z.strictObject({
    equal: z.boolean(),
    revision,
    sourceHead: revision,
    prefixes,
    source: side,
    target: side,
    cursor: z
      .strictObject({ revision, keys: count, checksum, gap, agrees: z.boolean() })
      .nullable(),
    differences: count,
    ahead: z.strictObject({ source: revision, target: revision }).nullable(),
    takenOver: z
      .strictObject({
        phase,
        exact: revision,
        at: z.iso.datetime(),
        source: changes,
        target: changes,
      })
      .nullable(),
    history: z.strictObject({ after: revision, events: count, differences: count }).nullable(),
    bytes: count,
    seconds: z.number().nonnegative(),
  }),
  files: z.array(z.string()).optional(),
});

const valuesSide = z.strictObject({
  cluster: hexId,
  version: z.string(),
  revision,
  keys: count,
});

/** Of `audit --values`. */
export const valuesReport = z.strictObject({
  report: z.strictObject({
    equal: z.boolean(),
    compared: z.array(z.enum(['value', 'lease'])).length(2),
    prefix: z.string(),
    destPrefix: z.string(),
    source: valuesSide,
    target: valuesSide,
    differences: count,
    foreign: count,
    bytes: count,
    seconds: z.number().nonnegative(),
  }),
  files: z.array(z.string()).optional(),
});

/** Of `audit verify`. */
export const auditVerify = z.strictObject({
  verify: z.strictObject({
    file: z.string(),
    whole: z.boolean().nullable(),
    format: z.string().nullable(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .nullable(),
    version: z.string().nullable(),
    page: z.enum(['same', 'differs', 'not compared']).nullable(),
    faults: z.array(z.string()),
  }),
});

/** The cursor's value on the target, and in `status`. */
export const cursor = z.strictObject({
  format: z.literal(1),
  source: hexId.nullable(),
  prefixes,
  revision,
  keys: count,
  checksum,
  ownWrites: count,
  gap,
  follower: z.uuid().nullable(),
  at: z.iso.datetime(),
});

const resources = z.array(z.string()).min(1);
const maybeTime = z.iso.datetime().nullable();
const serving = z.strictObject({
  apiserver: z.url(),
  from: z.enum(['source', 'target', 'unclear', 'neither', 'does not answer']),
  why: z.string().optional(),
});

/** Measured by a look. */
const behind = z
  .strictObject({ seconds: z.number().nonnegative().nullable(), moves: z.boolean().nullable() })
  .nullable();

export const status = z.strictObject({
  kind: z.enum(['empty', 'mirror', 'foreign', 'lockstep', 'cut over']),
  cursor: cursor.nullable(),
  position: revision,
  trouble: z
    .strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() })
    .nullable(),
  cutover: z
    .strictObject({
      phase,
      exact: revision,
      prefixes,
      resources: z.array(z.string()),
      owner: z.string().nullable(),
    })
    .nullable(),
  wayBack: z
    .strictObject({
      ...{ position: revision, comparing: z.boolean(), at: z.string() },
      lateWrites: z.strictObject({ ...lateSum, open: z.array(z.string()) }),
    })
    .nullable(),
  sourceHead: revision.nullable(),
  lagRevisions: z.number().int().nullable(),
  behind,
  mirrors: z.array(mirrorCursor.extend({ behind })),
  running: z
    .strictObject({
      listener: z.url(),
      trouble: z
        .strictObject({ code: z.string(), message: z.string(), hint: z.string().nullable() })
        .nullable(),
      view: z.custom<View>((value) => parseView(JSON.stringify(value)) !== undefined).nullable(),
    })
    .nullable(),
  kubernetes: z
    .strictObject({
      frozen: z
        .strictObject({
          since: z.iso.datetime(),
          by: z.string().nullable(),
          held: z.boolean(),
          resources,
        })
        .nullable(),
      apiservers: z.array(serving).min(1),
    })
    .nullable(),
  next: z.string(),
});

const ways = z.enum(['policy', 'webhook']);

/** Of `freeze apply` and `freeze remove`. */
export const freeze = z.strictObject({
  frozen: z.boolean(),
  since: maybeTime,
  way: ways.nullable(),
  resources: z.array(z.string()).min(1),
  apiservers: z.array(z.url()).min(1),
});

export const freezeProbe = z.strictObject({
  probe: z.strictObject({
    ok: z.boolean(),
    expected: z.enum(['frozen', 'open']),
    since: maybeTime,
    owner: z.string().nullable(),
    held: z.boolean(),
    apiservers: z
      .array(
        z.strictObject({
          apiserver: z.url(),
          ok: z.boolean(),
          on: z.array(z.strictObject({ resource: z.string(), object: z.string().nullable() })),
          checks: z.array(
            z.strictObject({
              what: z.string(),
              expected: z.enum(['refused', 'accepted']),
              got: z.string().min(1),
              on: z.string().nullable(),
              why: z.string().nullable(),
              ok: z.boolean(),
            }),
          ),
        }),
      )
      .min(1),
  }),
});

const seconds = z.number().nonnegative();
const heads = z.strictObject({ source: revision, target: revision });
const lateWrite = z.strictObject({
  key: z.string(),
  keyBase64: z.base64().optional(),
  revision,
  deleted: z.boolean(),
});

/** Of `cutover` and `rollback`, when a step begins. */
export const step = z.strictObject({
  step: z.strictObject({
    number: z.number().int().positive(),
    of: z.union([z.literal(10), z.literal(13)]),
    name: z.string(),
    does: z.string(),
    waitsFor: z.string(),
    ifAborted: z.string(),
    frozenSeconds: seconds.nullable(),
  }),
});

export const alarm = z.strictObject({ alarm: z.string() });

const steps = z.array(z.strictObject({ step: z.string(), seconds }));

export const cutover = z.strictObject({
  cutover: z.strictObject({
    exact: revision,
    keys: count,
    checksum,
    prefixes,
    resources,
    apiservers: z.array(z.url()).min(1),
    heads: heads.nullable(),
    frozenSeconds: seconds.nullable(),
    ownSeconds: seconds,
    steps,
    lateWrites: z.strictObject({ count, named: z.array(lateWrite).max(100) }),
    alarms: z.array(z.string()),
  }),
});

export const fence = z.strictObject({
  fence: z.strictObject({ exact: revision, keys: count, checksum, heads }),
});

export const rollback = z.strictObject({
  rollback: z.strictObject({
    prefixes,
    resources,
    apiservers: z.array(z.url()).min(1),
    back: z.strictObject({ way: z.enum(['short', 'long']), why: z.string().nullable() }),
    brought: z.strictObject({
      keys: count,
      put: count,
      deleted: count,
      unchanged: count,
      replaced: z.strictObject({ count, keys: z.array(z.string()).max(100) }),
    }),
    heads: heads.nullable(),
    frozenSeconds: seconds.nullable(),
    ownSeconds: seconds,
    steps,
    lateWrites: z.array(lateWrite).max(100),
    alarms: z.array(z.string()),
  }),
});

export const retire = z.strictObject({
  retire: z.strictObject({
    prefixes,
    resources,
    keys: count,
    bytes: count,
    checksum,
    deletedSince: count,
    reverse: revision.nullable(),
    cutOver: z.strictObject({ keys: count, checksum }),
    removed: z.boolean(),
    revisions: z.strictObject({ first: revision, last: revision }).nullable(),
    left: count,
  }),
});

/** The value of `etcd-lockstep/owner` on the target. */
export const owner = z.strictObject({
  run: z.uuid(),
  command: z.enum(['cutover', 'rollback', 'fence', 'retire']),
  host: z.string(),
  pid: z.number().int(),
  since: z.iso.datetime(),
});

/** The value of `etcd-lockstep/cutover` on the target. */
export const cutoverState = z.strictObject({
  format: z.literal(2),
  phase,
  source: hexId,
  prefixes,
  resources: z.array(z.string()),
  keys: count,
  checksum,
  frozenAt: maybeTime,
  fencedAt: z.iso.datetime(),
});

const activity = z.strictObject({ revisions: count, events: count, bytes: count });

const member = z.strictObject({
  endpoint: z.string(),
  version: z.string().nullable(),
  clusterId: hexId.nullable(),
  memberId: hexId.nullable(),
  hasLeader: z.boolean().nullable(),
  isLeader: z.boolean().nullable(),
  isLearner: z.boolean().nullable(),
  dbBytes: count.nullable(),
  dbBytesInUse: count.nullable(),
  quotaBytes: count.nullable(),
  clockSeconds: z.number().nullable(),
  readSeconds: z.number().nonnegative().nullable(),
  error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
});

export const plan = z.strictObject({
  root: z.string(),
  prefixes,
  folders: z.array(
    z.strictObject({
      folder: z.string(),
      keys: count,
      bytes: count,
      exact: z.boolean(),
      resource: z.string().nullable(),
      way: z.enum(['lockstep', 'configuration', 'mirror', 'stays']),
      why: z.string(),
      activity: activity.nullable(),
    }),
  ),
  contents: z.strictObject({
    revision,
    keys: count,
    bytes: count,
    prefixes: z.array(z.strictObject({ prefix: z.string(), keys: count, bytes: count })).min(1),
    largest: z.strictObject({ key: z.string(), bytes: count }).nullable(),
    leases: z.strictObject({
      keys: count,
      leases: count,
      shortestTtl: count.nullable(),
      asked: count,
    }),
    encrypted: z.array(z.strictObject({ provider: z.string(), keys: count })),
    seconds: z.number().nonnegative(),
  }),
  rates: z.strictObject({
    seconds: z.number().positive(),
    head: revision,
    revisions: count,
    moved: activity,
    largestRevision: count,
    everything: z.boolean(),
  }),
  window: z.strictObject({
    compactRevision: revision,
    historyRevisions: count,
    intervalRevisions: count.nullable(),
    intervalSeconds: z.number().nonnegative().nullable(),
  }),
  estimates: z.strictObject({
    seedSeconds: z.number().positive(),
    followPerSecond: z.number().positive().nullable(),
    proposalsPerSecond: z.number().positive().nullable(),
    freezeSeconds: z.number().positive().nullable(),
    fenceMargin: count,
  }),
  overrides: z.string(),
  checks: z
    .array(
      z.strictObject({
        check: z.string(),
        verdict: z.enum(['ok', 'warn', 'stop', 'not asked']),
        message: z.string().min(5),
        todo: z.string().nullable(),
      }),
    )
    .length(16),
  source: z.strictObject({ head: revision, members: z.array(member).min(1) }),
  target: z.strictObject({ members: z.array(member).min(1) }).nullable(),
  steps: z.array(
    z.strictObject({ step: z.string(), what: z.string(), commands: z.array(z.string()) }),
  ),
  stop: z.boolean(),
  parts: z
    .array(
      z.strictObject({
        ...{ name: z.string(), resource: z.string(), folder: z.string(), why: z.string() },
        way: z.enum(['lockstep', 'configuration', 'mirror']),
        ...{ keys: z.number().int(), bytes: z.number().int(), exact: z.boolean() },
        ...{ perSecond: z.number().nullable(), share: z.number().nullable() },
        ...{ etcdPerSecond: z.number().nullable(), needsPeers: z.boolean().nullable() },
        seedSeconds: z.number().nullable(),
      }),
    )
    .nullable(),
  config: z.string().nullable(),
});

const flag = z.string().regex(/^--[a-z-]+$/);
const place = z.string().nullable();

export const configCheck = z.strictObject({
  config: z.strictObject({
    path: z.string(),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    migration: z.string().nullable(),
    ready: z.boolean(),
    options: z.array(
      z.strictObject({
        ...{ flag, place, value: z.string() },
        from: z.enum(['variable', 'file', 'default']),
        line: z.number().int().positive().nullable(),
        variable: z.string().nullable(),
        commands: z.array(z.string()).min(1),
      }),
    ),
    commands: z.array(
      z.strictObject({
        command: z.string(),
        ready: z.boolean(),
        missing: z.array(z.strictObject({ flag, place })),
      }),
    ),
    unreadable: z.array(z.string()),
  }),
});

export const configGet = z.strictObject({
  get: z.strictObject({ key: z.string(), values: z.array(z.string()).nullable() }),
});

const told = {
  version: z.literal(1),
  id: z.string().regex(/^[0-9a-f]{16}-[1-9]\d*$/),
  at: z.iso.datetime(),
  host: z.string().min(1),
  command: z.string(),
  clusters: z.strictObject({ source: hexId.nullable(), target: hexId.nullable() }),
  prefixes: z.array(z.string()),
  text: z.string().min(1),
  incident: z.string().nullable(),
  dropped: count,
  rehearsal: z.boolean(),
};
const lag = z.strictObject({ revisions: count, seconds: z.number().nonnegative() }).nullable();
const lockstep = { ...told, revision: revision.nullable(), lag };

/** What a hook is told, by its `event`. */
export const hookEvents = {
  'lockstep-reached': z.strictObject({
    ...{ ...lockstep, event: z.literal('lockstep-reached'), again: z.boolean() },
  }),
  'lockstep-lost': z.strictObject({
    ...{ ...lockstep, event: z.literal('lockstep-lost'), state: z.string(), trouble },
  }),
  trouble: z.strictObject({
    ...{ ...told, event: z.literal('trouble'), trouble: trouble.unwrap() },
  }),
  'trouble-over': z.strictObject({
    ...{ ...told, event: z.literal('trouble-over'), trouble: trouble.unwrap() },
  }),
  audit: z.strictObject({
    ...{ ...told, event: z.literal('audit'), result: z.enum(['equal', 'different', 'failed']) },
    ...{ revision: revision.nullable(), keys: count, differences: count, seconds },
    ...{ report: z.string().nullable(), message: z.string().nullable() },
  }),
  step: z.strictObject({
    ...{ ...told, event: z.literal('step'), step: z.string(), number: count, of: count },
    ...{ state: z.enum(['begun', 'done', 'failed']), seconds: seconds.nullable() },
    frozenAt: z.iso.datetime().nullable(),
  }),
  alarm: z.strictObject({ ...told, event: z.literal('alarm') }),
  end: z.strictObject({
    ...{ ...told, event: z.literal('end'), exitCode: count },
    error: z
      .strictObject({
        code: z.string().nullable(),
        message: z.string(),
        hint: z.string().nullable(),
      })
      .nullable(),
  }),
};

/** Any of them. */
export const hookEvent = z.discriminatedUnion('event', [
  hookEvents['lockstep-reached'],
  hookEvents['lockstep-lost'],
  hookEvents.trouble,
  hookEvents['trouble-over'],
  hookEvents.audit,
  hookEvents.step,
  hookEvents.alarm,
  hookEvents.end,
]);
