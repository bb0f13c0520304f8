/**
 * The package as a user gets it: packed from a fresh clone, and unpacked where nothing else is.
 *
 * npm cannot install it without a registry, so its dependencies are linked beside it, those that
 * package.json declares and no others: what is imported and not declared is not found.
 */
import { execFile } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { removeAtExit } from '../rig/child.js';

const exec = promisify(execFile);

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** What git does not keep. */
const NOT_CLONED = ['.git', '.cache', 'dist', 'node_modules', 'src/wire/gen'];
const NPM_WITHIN_MS = 100_000;

export interface Manifest {
  version: string;
  bin: Record<string, string>;
  dependencies: Record<string, string>;
  peerDependencies: Record<string, string>;
}

export function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'package-'));
  removeAtExit(folder);
  return folder;
}

/** What a clone of this repository holds, after `npm ci`. */
export function freshClone(): string {
  const clone = newFolder();
  for (const name of readdirSync(ROOT)) {
    if (NOT_CLONED.includes(name)) continue;
    cpSync(join(ROOT, name), join(clone, name), {
      recursive: true,
      filter: (path) => !NOT_CLONED.includes(relative(ROOT, path)),
    });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(clone, 'node_modules'));
  // As old as can be: what is installed is up to date, and make must not install it anew.
  utimesSync(join(clone, 'package-lock.json'), 0, 0);
  return clone;
}

/** `npm pack`. @returns the tarball @throws what npm says where it fails */
export async function pack(clone: string): Promise<string> {
  const to = newFolder();
  await exec('npm', ['pack', '--offline', '--pack-destination', to], {
    cwd: clone,
    timeout: NPM_WITHIN_MS,
  });
  const [tarball] = readdirSync(to);
  if (tarball === undefined) throw new Error('npm has packed nothing');
  return join(to, tarball);
}

export interface Packed {
  path: string;
  executable: boolean;
}

/** The files of a tarball, without the folder that all of them are in. */
export async function listed(tarball: string): Promise<Packed[]> {
  const { stdout } = await exec('tar', ['-tvzf', tarball]);
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => ({
      path: line.slice(line.indexOf(' package/') + ' package/'.length),
      executable: line.startsWith('-rwx'),
    }));
}

/** Unpacks it as npm would install it. @returns the folder that it is installed in */
export async function install(tarball: string): Promise<string> {
  const folder = newFolder();
  const modules = join(folder, 'node_modules');
  const own = join(modules, 'etcd-lockstep');
  mkdirSync(own, { recursive: true });
  await exec('tar', ['-xzf', tarball, '-C', own, '--strip-components=1']);
  const { bin, dependencies, peerDependencies } = manifestOf(own);
  for (const name of Object.keys({ ...dependencies, ...peerDependencies })) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
  }
  mkdirSync(join(modules, '.bin'));
  for (const [name, path] of Object.entries(bin)) {
    symlinkSync(join('..', 'etcd-lockstep', path), join(modules, '.bin', name));
    chmodSync(join(own, path), 0o755);
  }
  writeFileSync(join(folder, 'package.json'), '{ "type": "module", "private": true }\n');
  return folder;
}

/** What a package takes on the disk together with all that npm installs for it. */
export function megabytesOf(folder: string): number {
  const packages = new Map<string, number>();
  const add = (at: string): void => {
    if (packages.has(at)) return;
    const files = readdirSync(at, { recursive: true, withFileTypes: true });
    const sizes = files.filter((file) => file.isFile());
    packages.set(
      at,
      sizes.reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0),
    );
    const { dependencies = {} } = manifestOf(at) as Partial<Manifest>;
    for (const name of Object.keys(dependencies)) add(join(ROOT, 'node_modules', name));
  };
  add(folder);
  return [...packages.values()].reduce((sum, bytes) => sum + bytes, 0) / 1e6;
}

/** As strict as a program can be, and its declarations looked at, too. */
const COMPILER_OPTIONS = {
  ...{ target: 'es2023', lib: ['es2023'], module: 'nodenext' },
  ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
  ...{ skipLibCheck: false, verbatimModuleSyntax: true, rootDir: '.' },
};

/** Compiles programs where the package is installed. @throws what the compiler says */
export async function compile(folder: string, programs: Map<string, string>): Promise<void> {
  for (const [name, text] of programs) writeFileSync(join(folder, name), text);
  const files = [...programs.keys()];
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files }),
  );
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const said = await exec(process.execPath, [tsc, '-p', folder]).then(
    () => '',
    (error: unknown) => (error as { stdout: string }).stdout,
  );
  if (said !== '') throw new Error(said);
  const missing = files.filter((name) => !existsSync(join(folder, name.replace(/ts$/, 'js'))));
  if (missing.length > 0) throw new Error(`the compiler has not made ${missing.join(', ')}`);
}

/** Runs the package's command line as its user would. */
export async function npx(folder: string, ...args: string[]): Promise<string> {
  const command = ['--offline', '--', 'etcd-lockstep', ...args];
  return (await exec('npx', command, { cwd: folder, timeout: NPM_WITHIN_MS })).stdout;
}
