/** Somebody else's mutating webhook: it changes nothing, takes its time, and tells what it was asked. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Cluster } from './cluster.js';
import type { Pki } from './pki.js';

const PATH = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';

const asked = z.looseObject({
  request: z.looseObject({
    uid: z.string(),
    operation: z.string(),
    resource: z.looseObject({ resource: z.string() }),
    subResource: z.string().optional(),
    name: z.string().optional(),
  }),
});

/** A write that has come to a webhook; both times by the order in which all comes and goes there. */
export interface Review {
  /** `CREATE pods/binding pod-0` */
  path: string;
  came: number;
  /** Infinity until then. */
  answered: number;
}

export interface Reviewer {
  /** Of the webhook; listens on a port of its own. */
  server: Server;
  reviews: Review[];
}

/**
 * Lets everything through.
 * @param slowMs how long the next answer takes
 */
export async function reviewer({ server: pair }: Pki, slowMs: () => number): Promise<Reviewer> {
  let clock = 0;
  const reviews: Review[] = [];
  const tls = { cert: readFileSync(pair.cert), key: readFileSync(pair.key) };
  const server = createServer(tls, (request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const { uid, operation, resource, subResource, name } = asked.parse(JSON.parse(text)).request;
      const of = [resource.resource, subResource ?? ''].filter((part) => part !== '').join('/');
      const path = `${operation} ${of} ${name ?? ''}`;
      const review: Review = { path, came: ++clock, answered: Infinity };
      reviews.push(review);
      await delay(slowMs());
      review.answered = ++clock;
      response.setHeader('content-type', 'application/json');
      response.end(
        JSON.stringify({
          apiVersion: 'admission.k8s.io/v1',
          kind: 'AdmissionReview',
          response: { uid, allowed: true },
        }),
      );
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, reviews };
}

/** How often in a row a webhook was waited for: each of the row came when the one before had its answer. */
export function rounds(reviews: readonly Review[]): number {
  let [count, last] = [0, 0];
  for (const { came, answered } of [...reviews].sort((a, b) => a.answered - b.answered))
    if (came > last) [count, last] = [count + 1, answered];
  return count;
}

/**
 * Registers one for every pod that is made or changed.
 * @param slowMs how long each answer takes; undefined: nobody answers, and so nothing is let through
 * @returns what it was asked, and what takes it away again
 */
export async function othersWebhook(
  cluster: Cluster,
  slowMs: number | undefined,
): Promise<{ reviews: Review[]; end: () => Promise<void> }> {
  const { server, reviews } = await reviewer(cluster.pki, () => slowMs ?? 0);
  const { port } = server.address() as AddressInfo;
  if (slowMs === undefined) server.close();
  await cluster.client.create(PATH, {
    metadata: { name: 'others' },
    webhooks: [
      {
        name: 'others.example.org',
        admissionReviewVersions: ['v1'],
        clientConfig: {
          url: `https://127.0.0.1:${port}/mutate`,
          caBundle: readFileSync(cluster.pki.ca.cert).toString('base64'),
        },
        failurePolicy: 'Fail',
        sideEffects: 'None',
        rules: [
          {
            apiGroups: [''],
            apiVersions: ['*'],
            operations: ['CREATE', 'UPDATE'],
            resources: ['pods', 'pods/*'],
          },
        ],
      },
    ],
  });
  const end = async () => {
    await cluster.client.send('DELETE', `${PATH}/others`);
    server.close();
    server.closeAllConnections();
  };
  return { reviews, end };
}
