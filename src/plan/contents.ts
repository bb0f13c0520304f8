/**
 * What is to be moved, read whole: page by page at one pinned revision, nothing kept but sums.
 *
 * A read that outlives the source's compaction goes on at the head of then. Its sums are then of two
 * revisions, near enough for a plan; the audit is what counts keys.
 */
import { hasCode } from '../errors.js';
import { keyOf, parseKeyValue } from '../mvcc/keyvalue.js';
import { prefixRange, probeKey, type PrefixSet } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';
import { readPages } from '../source/pages.js';
import type { EtcdClient } from '../wire/client.js';

export interface Contents {
  /** Read at this revision; at its end, where the source compacted meanwhile. */
  revision: Revision;
  keys: number;
  /** Of rows as etcd stores them. */
  bytes: number;
  /** The same for each prefix. */
  prefixes: { prefix: string; keys: number; bytes: number }[];
  /** The largest row. */
  largest: { key: string; bytes: number } | null;
  leases: {
    /** Keys that have a lease. */
    keys: number;
    leases: number;
    /** The shortest TTL that was granted, of those that were asked; null where there is none. */
    shortestTtl: number | null;
    /** That many were asked. */
    asked: number;
  };
  /** Encryption at rest: provider, and keys that it has written. */
  encrypted: { provider: string; keys: number }[];
  seconds: number;
}

export interface ContentsProgress {
  keys: number;
  bytes: number;
  remaining: number;
}

/** More leases than these are counted as so many; Kubernetes puts a thousand keys on one. */
const MAX_LEASES = 100_000;
const MAX_ASKED = 200;
/** Providers that are told apart; a cluster has one, or two while it changes keys. */
const MAX_PROVIDERS = 20;
const ENCRYPTED = Buffer.from('k8s:enc:');
/** `k8s:enc:aescbc:v1:key1:`, and what follows is ciphertext. */
const PROVIDER = /^k8s:enc:([a-z0-9]+:v\d+:[\w.-]{1,63}):/;
const HEADER_BYTES = 128;

/** @throws LockstepError UNAVAILABLE, PERMISSION, …; whatever `signal` was aborted with */
export async function readContents(
  client: EtcdClient,
  prefixes: PrefixSet,
  onProgress: (progress: ContentsProgress) => void,
  signal: AbortSignal,
): Promise<Contents> {
  const started = performance.now();
  const sums = new Sums();
  let { revision } = await client.head(probeKey(prefixes));
  const each: Contents['prefixes'] = [];
  for (const prefix of prefixes.list) {
    const before = { keys: sums.keys, bytes: sums.bytes };
    const range = prefixRange(prefix);
    let from: Buffer | undefined = range.key;
    while (from) {
      try {
        for await (const page of readPages(client, range, revision, from)) {
          signal.throwIfAborted();
          for (const row of page.rows) sums.add(row);
          from = page.next;
          const remaining = page.remaining - page.rows.length;
          onProgress({ keys: sums.keys, bytes: sums.bytes, remaining });
        }
      } catch (error) {
        if (!hasCode(error, 'COMPACTED')) throw error;
        ({ revision } = await client.head(probeKey(prefixes)));
      }
    }
    each.push({ prefix, keys: sums.keys - before.keys, bytes: sums.bytes - before.bytes });
  }
  const seconds = (performance.now() - started) / 1000;
  const { keys, bytes, largest } = sums;
  const encrypted = [...sums.providers].map(([provider, n]) => ({ provider, keys: n }));
  const leases = await askLeases(client, sums);
  return { revision, keys, bytes, prefixes: each, largest, leases, encrypted, seconds };
}

class Sums {
  keys = 0;
  bytes = 0;
  largest: Contents['largest'] = null;
  leased = 0;
  readonly leases = new Set<bigint>();
  readonly providers = new Map<string, number>();

  add(row: Buffer): void {
    this.keys++;
    this.bytes += row.length;
    if (row.length > (this.largest?.bytes ?? 0))
      this.largest = { key: keyOf(row).toString(), bytes: row.length };
    const { lease, value } = parseKeyValue(row);
    if (lease !== 0n) {
      this.leased++;
      if (this.leases.size < MAX_LEASES) this.leases.add(lease);
    }
    const provider = providerOf(value);
    if (provider === undefined) return;
    const known = this.providers.get(provider);
    if (known !== undefined || this.providers.size < MAX_PROVIDERS)
      this.providers.set(provider, (known ?? 0) + 1);
  }
}

/** The provider's name out of the head of an encrypted value, and nothing else of it. */
function providerOf(value: Buffer): string | undefined {
  if (!value.subarray(0, ENCRYPTED.length).equals(ENCRYPTED)) return undefined;
  return PROVIDER.exec(value.toString('latin1', 0, HEADER_BYTES))?.[1] ?? 'unknown';
}

async function askLeases(
  client: EtcdClient,
  { leased, leases }: Pick<Sums, 'leased' | 'leases'>,
): Promise<Contents['leases']> {
  let shortest: number | null = null;
  let asked = 0;
  for (const lease of leases) {
    if (asked === MAX_ASKED) break;
    const ttl = await client.leaseTtl(lease);
    asked++;
    if (ttl !== undefined) shortest = Math.min(shortest ?? ttl, ttl);
  }
  return { keys: leased, leases: leases.size, shortestTtl: shortest, asked };
}
