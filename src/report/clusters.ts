/** Which etcd a report speaks of: its id, and every member with its name, addresses and version. */
import { z } from 'zod';
import { LockstepError } from '../errors.js';
import type { EtcdClient } from '../wire/client.js';
import type { Side } from '../wire/side.js';

const hexId = z.string().regex(/^[0-9a-f]{1,16}$/);
const revision = z.number().int().nonnegative();

/** One etcd, as it was when the report was made. A type, for JSON takes no interface. */
export type ClusterFacts = {
  /** Hexadecimal, as etcdctl prints it; so are the members' ids. */
  cluster: string;
  /** Of the etcd that was asked. */
  version: string;
  /** When the report was made; null where it did not answer any more. */
  head: number | null;
  members: {
    id: string;
    /** Empty for one that has never started. */
    name: string;
    clientUrls: string[];
    /** Null where it was not among the endpoints, did not answer, or told nothing to this user. */
    version: string | null;
  }[];
  /** Why there are no members; null: there are. */
  membersUnknown: string | null;
};

/** The schema of {@link ClusterFacts}. */
export const clusterFacts: z.ZodType<ClusterFacts> = z.strictObject({
  cluster: hexId,
  version: z.string(),
  head: revision.nullable(),
  members: z.array(
    z.strictObject({
      id: hexId,
      name: z.string(),
      clientUrls: z.array(z.string()),
      version: z.string().nullable(),
    }),
  ),
  membersUnknown: z.string().nullable(),
});

/** What an audit knows of an etcd. */
interface Known {
  /** Its id, hexadecimal. */
  cluster: string;
  version: string;
}

/**
 * Asks each endpoint of both. It fails for nothing that they say or do not say: an audit that is carried
 * through has a report.
 */
export async function describeClusters(
  { source, target }: Record<Side, EtcdClient>,
  known: Record<Side, Known>,
  signal: AbortSignal,
): Promise<Record<Side, ClusterFacts>> {
  const [there, here] = await Promise.all([
    describe(source, known.source, signal),
    describe(target, known.target, signal),
  ]);
  return { source: there, target: here };
}

/**
 * The same for one of which nothing is known yet.
 * @returns null where it does not answer
 */
export async function describeUnknown(
  client: EtcdClient,
  signal: AbortSignal,
): Promise<ClusterFacts | null> {
  try {
    const { clusterId: cluster, version } = await client.status();
    return await describe(client, { cluster, version }, signal);
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    return null;
  }
}

async function describe(
  client: EtcdClient,
  { cluster, version }: Known,
  signal: AbortSignal,
): Promise<ClusterFacts> {
  const facts: ClusterFacts = {
    ...{ cluster, version, head: null, members: [], membersUnknown: null },
  };
  try {
    facts.head = (await client.status()).head;
    const [listed, versions] = [await client.memberList(), await versionsOf(client, signal)];
    facts.members = listed.map(({ memberId: id, name, clientUrls }) => {
      return { id, name, clientUrls, version: versions.get(id) ?? null };
    });
  } catch (error) {
    if (!(error instanceof LockstepError)) throw error;
    const { code, message } = error;
    facts.membersUnknown = code === 'PERMISSION' ? 'this user may not ask for them' : message;
  }
  return facts;
}

/** By member id. */
async function versionsOf(client: EtcdClient, signal: AbortSignal): Promise<Map<string, string>> {
  const asked = client.each().map(async (member): Promise<[string, string][]> => {
    try {
      const { memberId, version } = await member.closeAt(signal).memberStatus();
      return [[memberId, version]];
    } catch (error) {
      if (error instanceof LockstepError) return [];
      throw error;
    } finally {
      member.close();
    }
  });
  return new Map((await Promise.all(asked)).flat());
}
