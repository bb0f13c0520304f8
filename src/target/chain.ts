/**
 * The chain: the key on the target that puts writes into a line.
 *
 * Its value is a **link**: the term that it belongs to, and the revision that it was written for. The first
 * write after each stock begins a term, under a name that nobody else has, and puts the first link; what was
 * sent in an older term is void from then on, for it is guarded by what the chain was before. By
 * transactions that is all: nothing else touches the chain (lockstep/transactions.ts). By proposals each
 * write puts the next link and is guarded by the one before (lockstep/proposals.ts).
 *
 * A person reads `etcdctl get etcd-lockstep/chain` as `5f0c2d7a91e3b846 1234567`.
 */
import { randomBytes } from 'node:crypto';
import { OWN_PREFIX } from '../mvcc/prefix.js';
import type { Revision } from '../mvcc/revision.js';

export const CHAIN_KEY = Buffer.from(`${OWN_PREFIX}chain`);

export interface Link {
  /** 16 hexadecimal digits; what ends lockstep has words there. */
  term: string;
  /** That it was meant for. Where it landed elsewhere, somebody else has written before it. */
  revision: Revision;
}

/** A name that no other term has. */
export function newTerm(): string {
  return randomBytes(8).toString('hex');
}

export function encodeLink({ term, revision }: Link): Buffer {
  return Buffer.from(`${term} ${revision}`, 'latin1');
}

/** @returns undefined for what is no link */
export function parseLink(value: Buffer): Link | undefined {
  const [, term, revision] = /^([\w-]+) (\d{1,16})$/.exec(value.toString('latin1')) ?? [];
  return term === undefined ? undefined : { term, revision: Number(revision) };
}
