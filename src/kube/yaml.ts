/** Manifests as `kubectl apply -f` takes them. */
import { stringify } from 'yaml';
import type { Manifest } from './manifests.js';

/** One document for each object. */
export function toYaml(objects: readonly Manifest[]): string {
  // Kubernetes reads YAML 1.1, where a bare `on` is no text.
  return objects.map((object) => stringify(object, { version: '1.1', lineWidth: 0 })).join('---\n');
}
