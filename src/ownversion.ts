/** Of etcd-lockstep, as its package has it. */
import { readFileSync } from 'node:fs';

export const OWN_VERSION = read();

function read(): string {
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
