/** Somebody else's mutating webhook: it changes nothing, and takes its time. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Cluster } from './cluster.js';

const PATH = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const review = z.looseObject({ request: z.looseObject({ uid: z.string() }) });

/**
 * Registers it for every pod that is made or changed.
 * @param slowMs how long each answer takes; undefined: nobody answers, and so nothing is let through
 * @returns takes it away again
 */
export async function othersWebhook(
  cluster: Cluster,
  slowMs: number | undefined,
): Promise<() => Promise<void>> {
  const { server, ca } = cluster.pki;
  const tls = { cert: readFileSync(server.cert), key: readFileSync(server.key) };
  const listening = createServer(tls, (request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const { uid } = review.parse(JSON.parse(text)).request;
      await delay(slowMs);
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
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const { port } = listening.address() as AddressInfo;
  if (slowMs === undefined) listening.close();
  await cluster.client.create(PATH, {
    metadata: { name: 'others' },
    webhooks: [
      {
        name: 'others.example.org',
        admissionReviewVersions: ['v1'],
        clientConfig: {
          url: `https://127.0.0.1:${port}/mutate`,
          caBundle: readFileSync(ca.cert).toString('base64'),
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
  return async () => {
    await cluster.client.send('DELETE', `${PATH}/others`);
    listening.close();
    listening.closeAllConnections();
  };
}
