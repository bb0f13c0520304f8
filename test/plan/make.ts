/** Plans as these tests make them: in this process, with a short look at what is written. */
import { expect } from 'chai';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { PrefixSet } from '../../src/mvcc/prefix.js';
import type { Check, CheckName } from '../../src/plan/check.js';
import { makePlan, type Plan } from '../../src/plan/plan.js';
import type { PeersOptions } from '../../src/target/peers.js';
import type { Connection } from '../../src/wire/connection.js';

export const PODS = '/registry/pods/';

export interface Asked {
  source: string | Connection;
  target?: string | Connection;
  prefixes?: string[];
  peers?: PeersOptions;
  seconds?: number;
}

export async function planOf(asked: Asked): Promise<Plan> {
  const { source, target, prefixes, peers, seconds = 0.05 } = asked;
  return makePlan({
    peers,
    source: connection(source),
    target: target === undefined ? undefined : connection(target),
    prefixes: prefixes && PrefixSet.of(prefixes),
    sampleSeconds: seconds,
    onProgress: () => undefined,
    signal: AbortSignal.timeout(30_000),
  });
}

function connection(at: string | Connection): Connection {
  return typeof at === 'string' ? { endpoints: at.split(',') } : at;
}

export function checkOf(plan: Plan, name: CheckName): Check {
  return plan.checks.find((c) => c.check === name)!;
}

/** The verdict, and what has to stand in its text. */
export function expectCheck(
  plan: Plan,
  name: CheckName,
  verdict: Check['verdict'],
  said: RegExp = /./,
): void {
  const found = checkOf(plan, name);
  expect(found.verdict, `${name}: ${found.message}`).to.equal(verdict);
  expect(`${found.message} ${found.todo ?? ''}`).to.match(said);
}

/** The snapshot of a real cluster with 200 pods (test/data). */
export async function unpackCluster(to: string): Promise<void> {
  const packed = new URL('../data/k8s-1.20-200pods.db.gz', import.meta.url);
  await pipeline(createReadStream(packed), createGunzip(), createWriteStream(to));
}
