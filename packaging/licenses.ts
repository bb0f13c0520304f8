/** The licenses of all packages that went into a bundle, as they ask to be handed on. */
import type { Metafile } from 'esbuild';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

interface Manifest {
  name?: string;
  version?: string;
  license?: string;
  author?: string | { name: string };
}

const TEXTS = /^(licen[cs]e|copying|notice)/i;

/**
 * @param root of the repository; the bundles' paths start there
 * @throws Error for a package that does not say under which license it is
 */
export function licensesOf(root: string, bundles: readonly Metafile[]): string {
  const inputs = bundles.flatMap((bundle) =>
    Object.values(bundle.outputs).flatMap((output) =>
      Object.entries(output.inputs)
        .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
        .map(([path]) => path),
    ),
  );
  const foreign = inputs.filter((path) => path.includes('node_modules/'));
  const folders = new Set(foreign.map((path) => packageOf(join(root, path))));
  const parts = [...folders].map(partOf).sort((a, b) => (a < b ? -1 : 1));
  return [`etcd-lockstep holds parts of these packages.\n`, ...new Set(parts)].join('\n');
}

/** The nearest folder above with a package.json that has a name; there are some without. */
function packageOf(path: string): string {
  let folder = dirname(path);
  while (!isPackage(folder)) folder = dirname(folder);
  return folder;
}

function isPackage(folder: string): boolean {
  return existsSync(join(folder, 'package.json')) && manifestOf(folder).version !== undefined;
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

function partOf(folder: string): string {
  const { name = '', version = '', license, author } = manifestOf(folder);
  if (license === undefined) throw new Error(`${name} ${version} names no license`);
  const by = typeof author === 'string' ? author : author?.name;
  const texts = readdirSync(folder)
    .filter((file) => TEXTS.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8').trim());
  const head = `${name} ${version} (${license})${by === undefined ? '' : `, ${by}`}`;
  return `${'-'.repeat(80)}\n${head}\n\n${texts.join('\n\n')}\n`;
}
