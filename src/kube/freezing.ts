/** Freezes the resources in every apiserver and sees each refuse; and lets writes in again. */
import type { OnNote } from '../async/patience.js';
import { LockstepError, passes } from '../errors.js';
import type { ApiServer } from './api.js';
import { Freeze } from './freeze.js';
import { untilAccepted, untilRefused, type WaitOptions } from './known.js';
import type { FreezeWay } from './manifests.js';
import type { FreezeOwner } from './owner.js';
import type { Resource } from './resource.js';
import { freezeWay } from './way.js';
import { WriteProbe } from './writeprobe.js';

/** What is to be frozen, and where. */
export interface FreezingOptions {
  resources: readonly Resource[];
  apiservers: readonly ApiServer[];
  /** In place of what the apiservers have. */
  way?: FreezeWay;
  onNote: OnNote;
  signal?: AbortSignal;
  /** What the command in question has for an apiserver that stands in the way. */
  leaveOut?: WaitOptions['leaveOut'];
}

interface Frozen {
  freeze: Freeze;
  /** When the first write was seen refused, by our clock; by Kubernetes', where it stood already. */
  at: Date;
}

/**
 * Nothing is written before every apiserver has answered, and all that can be asked beforehand is.
 * @param over what was found before and is taken over; undefined: nothing may stand there
 * @throws LockstepError FREEZE_TAKEN, and what {@link untilRefused} says; what was written stays, for
 *   {@link thawOwn}
 */
export async function freezeAll(
  options: FreezingOptions,
  owner: FreezeOwner,
  over: Freeze | undefined,
): Promise<Frozen> {
  const { resources, apiservers, signal } = options;
  const probes = apiservers.map((api) => new WriteProbe(api, resources));
  await Promise.all(probes.map((one) => prepared(one, options)));
  const way = options.way ?? (await wayOver(over, apiservers));
  signal?.throwIfAborted();
  const freeze = await Freeze.apply(apiservers, resources, way, owner, over);
  const seen = await untilRefused(probes, waiting(options));
  const times = [...seen.values(), ...(over ? [over.since] : [])];
  return { freeze, at: new Date(Math.min(...times.map((time) => time.getTime()))) };
}

/** A webhook that was found works everywhere; an apiserver may have none of a policy that was. */
async function wayOver(
  over: Freeze | undefined,
  apiservers: readonly ApiServer[],
): Promise<FreezeWay> {
  return over?.way === 'webhook' ? over.way : freezeWay(apiservers);
}

async function prepared(
  probe: WriteProbe,
  { signal, leaveOut = without }: FreezingOptions,
): Promise<void> {
  try {
    await probe.prepare(signal);
  } catch (error) {
    if (!passes(error)) throw error;
    const { url } = probe.api;
    throw new LockstepError('KUBE_UNAVAILABLE', `${url} does not answer: ${error.message}`, {
      hint: `Nothing was frozen. Mend it and run the same command again; or, if it is dead and stays so until the end, ${leaveOut(url)}.`,
      cause: error,
    });
  }
}

/**
 * Removes this freeze, if one is given, and sees every apiserver accept writes again.
 * @throws LockstepError FREEZE_LOST where another stands in its place; KUBE_UNAVAILABLE where an
 *   apiserver cannot be seen to accept, which the others do then
 */
export async function thaw(freeze: Freeze | undefined, options: FreezingOptions): Promise<void> {
  const { apiservers, resources } = options;
  await freeze?.remove(apiservers);
  const probes = apiservers.map((api) => new WriteProbe(api, resources));
  await untilAccepted(probes, waiting(options));
}

/**
 * The same for whatever this run has written, also where it does not know what that is.
 * @throws LockstepError FREEZE_LOST where another's stands, which is left alone
 */
export async function thawOwn(owner: FreezeOwner, options: FreezingOptions): Promise<void> {
  await thaw(await Freeze.findOwn(options.apiservers, owner), options);
}

function waiting({ onNote, signal, leaveOut = without }: FreezingOptions): WaitOptions {
  return {
    leaveOut,
    onWait: (apiserver, text) => {
      onNote(`waiting for ${apiserver}: ${text}`);
    },
    ...(signal ? { signal } : {}),
  };
}

function without(apiserver: string): string {
  return `leave it out: --without ${apiserver}`;
}
