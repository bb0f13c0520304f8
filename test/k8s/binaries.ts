import { join } from 'node:path';
import { executable, projectRoot } from '../rig/binaries.js';

/** The one version whose whole source Debian carries: what get-kube.sh builds. */
const VERSION = '1.20.2';
const NAMES = ['kube-apiserver', 'kube-scheduler', 'kube-controller-manager'] as const;

export type KubeProgram = (typeof NAMES)[number];

const asked = process.env['K8S_BIN'] ?? '';
const DIR = asked === '' ? join(projectRoot(), '.cache', 'k8s', VERSION) : asked;

/** Whether the three programs are here. */
export function haveKube(): boolean {
  return NAMES.every((name) => executable(join(DIR, name)));
}

/** The path of a program, out of `K8S_BIN` or the cache. */
export function kubeProgram(name: KubeProgram): string {
  const path = join(DIR, name);
  if (!executable(path)) throw new Error(`no ${name} in ${DIR}; make k8s builds it`);
  return path;
}

/** `describe`, skipped where the programs are missing; `make test-k8s` says how to get them. */
export function describeKube(title: string, suite: () => void): void {
  (haveKube() ? describe : describe.skip)(title, suite);
}
