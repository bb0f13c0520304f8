/**
 * The files of the page, by the path under which they are served: what `make build` has made of page/.
 *
 * They are read when they are asked for: the work must not depend on them.
 */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { ownFile } from '../ownversion.js';

interface Asset {
  /** For `Content-Type`. */
  type: string;
  body: Buffer;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
};

let files: Map<string, URL> | undefined;

/** @returns undefined where there is no such file */
export async function readAsset(path: string): Promise<Asset | undefined> {
  files ??= findFiles();
  const file = files.get(path);
  const type = file && TYPES[extname(file.pathname)];
  return type ? { type, body: await readFile(file) } : undefined;
}

/** @throws Error where there is no page */
function findFiles(): Map<string, URL> {
  const folder = ownFile('dist/src/listen/page/');
  const names = readdirSync(folder);
  return new Map([
    ...names.map((name) => [`/${name}`, new URL(name, folder)] as const),
    ['/', new URL('page.html', folder)],
  ]);
}
