/**
 * The alarm CORRUPT: etcd has found that its members do not hold the same. From then on it refuses writes
 * (wire/grpcerrors.ts has the sentence), but it answers reads and watches as if nothing were, so whoever
 * copies or compares has to ask.
 */
import { hasCode } from '../errors.js';
import type { EtcdClient } from '../wire/client.js';

/** A note for each side that has it; none where the user may not ask. */
export async function damagedNotes(...clients: EtcdClient[]): Promise<string[]> {
  const notes = await Promise.all(clients.map(noteOf));
  return notes.filter((note) => note !== undefined);
}

async function noteOf(client: EtcdClient): Promise<string | undefined> {
  try {
    const corrupt = (await client.memberStatus()).alarms.filter(({ alarm }) => alarm === 'CORRUPT');
    if (corrupt.length === 0) return undefined;
    const members = [...new Set(corrupt.map(({ memberId }) => memberId))].join(', ');
    return `the ${client.side} has the alarm CORRUPT (member ${members}): its members do not hold the same, and what is read there may be wrong. Replace the damaged member before anything is copied or believed`;
  } catch (error) {
    if (hasCode(error, 'PERMISSION')) return undefined;
    throw error;
  }
}
