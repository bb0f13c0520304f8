/** Which etcd-lockstep this is. */
import { readFileSync } from 'node:fs';

/** As package.json has it; `unknown` where that is not there. */
export function ownVersion(): string {
  // One level up from src when run from sources, two from dist/src.
  for (const up of ['../', '../../']) {
    try {
      const text = readFileSync(new URL(`${up}package.json`, import.meta.url), 'utf8');
      return (JSON.parse(text) as { version: string }).version;
    } catch {
      continue;
    }
  }
  return 'unknown';
}
