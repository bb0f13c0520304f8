/**
 * The files of the page, by the path under which they are served: what `make build` has made of page/, and
 * what its modules import from elsewhere, under the names by which they do (page/*.d.ts).
 *
 * They are read when they are asked for: the work must not depend on them.
 */
import { existsSync, readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

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

/** Beside this file, and where that is when it is run from sources. */
const FOLDERS = ['./page/', '../../dist/src/listen/page/'];

let files: Map<string, string> | undefined;

/** @returns undefined where there is no such file */
export async function readAsset(path: string): Promise<Asset | undefined> {
  files ??= findFiles();
  const file = files.get(path);
  const type = file && TYPES[extname(file)];
  return type ? { type, body: await readFile(file) } : undefined;
}

/** @throws Error where there is no page, or no uPlot */
function findFiles(): Map<string, string> {
  const folder = FOLDERS.map((at) => fileURLToPath(new URL(at, import.meta.url))).find((at) =>
    existsSync(join(at, 'page.js')),
  );
  if (folder === undefined) throw new Error('the page was not built; run `make build`');
  const { resolve } = createRequire(import.meta.url);
  return new Map([
    ...readdirSync(folder).map((name) => [`/${name}`, join(folder, name)] as const),
    ['/', join(folder, 'page.html')],
    ['/amounts.js', join(folder, '../../text.js')],
    ['/uplot.js', resolve('uplot/dist/uPlot.esm.js')],
    ['/uplot.css', resolve('uplot/dist/uPlot.min.css')],
  ]);
}
