/** The manifests of deploy/kubernetes, as objects. */
import { readdirSync } from 'node:fs';
import { parseAllDocuments } from 'yaml';
import { read } from '../docs/pages.js';

const FOLDER = 'deploy/kubernetes/';

export interface Deployed {
  apiVersion: string;
  kind: string;
  metadata: { name: string };
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[] }[];
}

/** Read as Kubernetes reads it, in YAML 1.1. */
export function deployed(): { file: string; objects: Deployed[] }[] {
  const files = readdirSync(new URL(`../../${FOLDER}`, import.meta.url));
  return files.map((file) => {
    const documents = parseAllDocuments(read(FOLDER + file), { version: '1.1' });
    if (!Array.isArray(documents)) throw new Error(`${file} is empty`);
    const faults = documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]);
    if (faults.length > 0) throw new Error(`${file}: ${faults.join('; ')}`);
    return { file, objects: documents.map((one) => one.toJS() as Deployed) };
  });
}
