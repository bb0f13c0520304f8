/** Manifests as `kubectl apply -f` takes them. */
import type { Manifest } from './manifests.js';

/** One document for each object. */
export async function toYaml(objects: readonly Manifest[]): Promise<string> {
  const { dumpYaml } = await import('@kubernetes/client-node');
  return objects.map((object) => dumpYaml(object, { lineWidth: -1 })).join('---\n');
}
