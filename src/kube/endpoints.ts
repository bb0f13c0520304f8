/** The apiservers that a cluster itself knows of. */
import { z } from 'zod';
import { expect, read } from './answer.js';
import type { ApiServer } from './api.js';

const endpoints = z.looseObject({
  subsets: z
    .array(
      z.looseObject({
        addresses: z.array(z.looseObject({ ip: z.string() })).optional(),
        ports: z.array(z.looseObject({ port: z.number() })).optional(),
      }),
    )
    .optional(),
});

/**
 * `ip:port` of every endpoint of the service `kubernetes`, IPv6 in brackets. Apiservers enter
 * themselves there, so one that `--apiservers` leaves out shows up; one that has died stays for
 * about 15 s, and a cluster may be told to leave the list alone (`--endpoint-reconciler-type=none`).
 */
export async function apiserverAddresses(api: ApiServer): Promise<string[]> {
  const answer = await api.get('/api/v1/namespaces/default/endpoints/kubernetes');
  if (expect(answer, 200, 404).status === 404) return [];
  const { subsets = [] } = read(answer, endpoints);
  return subsets.flatMap(({ addresses = [], ports = [] }) =>
    addresses.flatMap(({ ip }) =>
      ports.map(({ port }) => `${ip.includes(':') ? `[${ip}]` : ip}:${port}`),
    ),
  );
}
