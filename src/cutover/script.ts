/** The words of each step: what it does, what it waits for, what stopping there would mean. */
import type { StepText } from './steps.js';

const NOTHING = 'nothing was changed';
const THAWS = 'writes are let in again, and nothing was changed';
const STAYS =
  'writes stay frozen and the source is complete: the same command goes on, `etcd-lockstep rollback` goes back (the target then has to be seeded anew)';

export const CUTOVER_STEPS: readonly StepText[] = [
  {
    name: 'preflight',
    does: 'looks at both etcds and every apiserver',
    waitsFor: 'their answers',
    ifAborted: NOTHING,
  },
  {
    name: 'audit',
    does: 'compares every key of both sides, while all is live',
    waitsFor: 'the last key; from then on what changes is compared as it comes',
    ifAborted: NOTHING,
  },
  {
    name: 'freeze',
    does: 'has Kubernetes refuse every write to the resources, and probes each apiserver',
    waitsFor: 'every path of every apiserver to be refused',
    ifAborted: THAWS,
  },
  {
    name: 'drain',
    does: 'lets requests that are under way come to their end',
    waitsFor: 'the source to be quiet under the prefixes',
    ifAborted: THAWS,
  },
  {
    name: 'compare',
    does: 'compares what has changed since the audit',
    waitsFor: "the target to stand where the source's head is, and to be equal",
    ifAborted: THAWS,
  },
  {
    name: 'takeover',
    does: 'takes the target over from its follower, which ends',
    waitsFor: 'one write',
    ifAborted: THAWS,
  },
  {
    name: 'fence',
    does: "raises the target's head above the source's and keeps it there",
    waitsFor: 'the margin, and proof that nothing came late',
    ifAborted: STAYS,
  },
  {
    name: 'switch',
    does: 'moves the apiservers to the target',
    waitsFor: 'the lists of each to come from the target',
    ifAborted:
      'writes stay frozen, and apiservers that have moved serve from the target: the same command goes on, `etcd-lockstep rollback` goes back. Go on at once: without us nobody keeps the fence',
  },
  {
    name: 'unfreeze',
    does: 'lets writes in again; they go to the target',
    waitsFor: 'every apiserver to accept them',
    ifAborted: 'writes may still be frozen: the same command goes on',
  },
  {
    name: 'watch',
    does: 'watches for writes that still go to the source',
    waitsFor: 'the time that was asked for',
    ifAborted: 'the cutover is done; `etcd-lockstep rollback` goes back',
  },
];

const UNFROZEN = 'nothing was changed; the freeze is yours';
const FENCED =
  'the target is taken over, and nobody keeps the fence: the same command goes on at once, `etcd-lockstep rollback` goes back';

/** Of the fence alone. */
export const FENCE_STEPS: readonly StepText[] = [
  {
    name: 'drain',
    does: 'lets requests that are under way come to their end',
    waitsFor: 'the source to be quiet under the prefixes',
    ifAborted: UNFROZEN,
  },
  {
    name: 'compare',
    does: 'compares what has changed since this command began',
    waitsFor: "the target to stand where the source's head is, and to be equal",
    ifAborted: UNFROZEN,
  },
  {
    name: 'takeover',
    does: 'takes the target over from its follower, which ends',
    waitsFor: 'one write',
    ifAborted: UNFROZEN,
  },
  {
    name: 'raise',
    does: "raises the target's head above the source's",
    waitsFor: 'the margin',
    ifAborted: FENCED,
  },
  {
    name: 'keep',
    does: 'keeps it there while you move the apiservers',
    waitsFor: 'a signal',
    ifAborted: FENCED,
  },
];

const GOES_ON = 'writes stay frozen: the same command goes on';

export const ROLLBACK_STEPS: readonly StepText[] = [
  {
    name: 'preflight',
    does: 'looks at both etcds and every apiserver',
    waitsFor: 'their answers',
    ifAborted: NOTHING,
  },
  {
    name: 'audit',
    does: 'compares every key of both sides while all is live, because the source was kept current',
    waitsFor: 'the last key; from then on what changes is compared as it comes',
    ifAborted: NOTHING,
  },
  {
    name: 'catch up',
    does: 'goes on with what `follow --reverse` did, which ends, and brings over what is left',
    waitsFor: 'the source to have what the target had when this step began',
    ifAborted:
      'writes are not refused, and the source is not kept current any more: the same command goes on',
  },
  {
    name: 'freeze',
    does: 'has Kubernetes refuse every write to the resources, and probes each apiserver',
    waitsFor: 'every path of every apiserver to be refused',
    ifAborted: GOES_ON,
  },
  {
    name: 'quiet',
    does: 'lets requests that are under way come to their end',
    waitsFor: 'the target to be quiet under the prefixes',
    ifAborted: GOES_ON,
  },
  {
    name: 'drain',
    does: 'lets the last changes come over, and compares what has changed since the audit',
    waitsFor: 'both sides to hold the same',
    ifAborted: GOES_ON,
  },
  {
    name: 'raise',
    does: "raises the source's head above the target's",
    waitsFor: 'the margin',
    ifAborted: GOES_ON,
  },
  {
    name: 'bring back',
    does: 'writes to the source what was changed on the target',
    waitsFor: 'every key to be looked at',
    ifAborted: GOES_ON,
  },
  {
    name: 'compare',
    does: 'compares values and leases of every key',
    waitsFor: 'the last key',
    ifAborted: GOES_ON,
  },
  {
    name: 'switch',
    does: 'moves the apiservers to the source',
    waitsFor: 'the lists of each to come from the source',
    ifAborted: GOES_ON,
  },
  {
    name: 'unfreeze',
    does: 'takes marker and fillers off the source, and lets writes in again; they go to the source',
    waitsFor: 'every apiserver to accept them',
    ifAborted: 'writes may still be frozen: the same command goes on',
  },
  {
    name: 'clean up',
    does: 'writes down on the target that it is rolled back',
    waitsFor: 'one write',
    ifAborted: 'the same command goes on',
  },
  {
    name: 'watch',
    does: 'watches for writes that still go to the target',
    waitsFor: 'the time that was asked for',
    ifAborted: 'the rollback is done',
  },
];
