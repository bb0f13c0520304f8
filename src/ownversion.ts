/** Which etcd-lockstep this is, and where its own files lie. */
import { existsSync, readFileSync } from 'node:fs';

/** As package.json has it; `unknown` where that cannot be read. */
export function ownVersion(): string {
  try {
    const text = readFileSync(ownFile('package.json'), 'utf8');
    return (JSON.parse(text) as { version: string }).version;
  } catch {
    return 'unknown';
  }
}

/**
 * A file of the package, whether this module is run from sources or out of a bundle: each lies at
 * another depth, and below the same package.json.
 * @throws Error where there is no package.json above
 */
export function ownFile(path: string): URL {
  for (let up = new URL('.', import.meta.url); ; up = new URL('..', up)) {
    if (existsSync(new URL('package.json', up))) return new URL(path, up);
    if (up.pathname === '/') throw new Error('package.json is missing');
  }
}
