/**
 * Makes dist/: the command line as one file, the library as another, the page for the browser, and the
 * licenses of what is in them. `make build` runs it.
 *
 * One file for each, and no chunks: what is loaded lazily (src/cli/commands.ts) lies in the same file and
 * is run when it is needed first. Chunks would load 20 ms faster; but a follower runs for days, and one
 * whose package is replaced meanwhile would ask for a chunk that is not there any more.
 *
 * Names and lines stay as they are, and no source maps are made: a stack trace names functions, and above
 * each module the bundle says which file it comes from.
 *
 * classic-level alone stays outside: its native part is found beside its own files.
 */
import { build, type BuildOptions, type Metafile, type Plugin } from 'esbuild';
import protobuf from 'protobufjs';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { licensesOf } from './licenses.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const PAGE = 'src/listen/page';
const { resolve } = createRequire(import.meta.url);

/** Modules that are CommonJS call `require`, which a module of ours does not have. */
const REQUIRE = `import { createRequire as requireBeside } from 'node:module';
const require = requireBeside(import.meta.url);`;

const FOR_NODE: BuildOptions = {
  ...{ absWorkingDir: ROOT, bundle: true, metafile: true, logLevel: 'warning' },
  ...{ platform: 'node', format: 'esm', target: 'node20.19', external: ['classic-level'] },
  ...{ banner: { js: REQUIRE }, legalComments: 'none' },
  // Node is given CommonJS by its package.json, of which nothing can be left out.
  alias: { rxjs: join(ROOT, 'node_modules/rxjs/dist/esm/index.js') },
};

/** What the bundled packages bring and nothing here asks for; each kilobyte is parsed at each start. */
const LEFT_OUT: readonly [what: RegExp, instead: string][] = [
  // makeApiClient of KubeConfig brings 14 MB of APIs and models.
  [/client-node\/dist\/gen\/index\.js$/, 'export let createConfiguration, ServerConfiguration;'],
  // KubeConfig takes `Headers` from there alone, and Node has its own.
  [/node-fetch\/lib\/index\.js$/, 'export const { Headers } = globalThis;'],
  // zod's own messages in other languages than English.
  [/zod\/v4\/locales\/index\.js$/, 'export {};'],
];

const leftOut: Plugin = {
  name: 'left out',
  setup(builder) {
    for (const [filter, contents] of LEFT_OUT) builder.onLoad({ filter }, () => ({ contents }));
  },
};

/** etcd3 reads its .proto files from where it lies; a bundle has them in it. */
const etcd3Protos: Plugin = {
  name: 'protos of etcd3',
  setup(builder) {
    builder.onLoad({ filter: /etcd3\/lib\/connection-pool\.js$/ }, async ({ path }) => {
      const folder = join(dirname(path), '../proto');
      const { root } = await new protobuf.Root().load(join(folder, 'rpc.proto'), {
        keepCase: true,
      });
      const text = readFileSync(path, 'utf8');
      // As a text, which is only looked through for its end until it is needed.
      const json = `JSON.parse(${JSON.stringify(JSON.stringify(root.toJSON()))})`;
      const contents = text.replace(/\.loadSync\)\(`[^`]*rpc\.proto`/, () => `.fromJSON)(${json}`);
      if (contents === text) throw new Error('etcd3 loads its .proto files in another way now');
      return { contents, loader: 'js' };
    });
  },
};

/** @returns what went into the bundle */
async function bundle(entry: string, outfile: string, more: BuildOptions = {}): Promise<Metafile> {
  const plugins = [leftOut, etcd3Protos];
  const options = { ...FOR_NODE, plugins, ...more, entryPoints: [entry], outfile };
  const { metafile } = await build({ ...options, metafile: true });
  const path = join(ROOT, outfile);
  writeFileSync(path, asciiOnly(readFileSync(path, 'utf8')));
  return metafile;
}

/**
 * One letter that is not ASCII, in a comment even, makes V8 keep and read all of the text with two bytes a
 * letter: a quarter of the time of a start.
 */
function asciiOnly(code: string): string {
  return code.replaceAll(
    /[^\0-\x7f]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

const bundles = await Promise.all([
  bundle('src/cli/main.ts', 'dist/src/cli/main.js'),
  bundle('src/index.ts', 'dist/src/index.js'),
  bundle(`${PAGE}/page.ts`, `dist/${PAGE}/page.js`, {
    ...{ platform: 'browser', target: 'es2023', external: [], banner: {} },
  }),
]);
for (const name of ['page.html', 'page.css'])
  cpSync(join(ROOT, PAGE, name), join(ROOT, 'dist', PAGE, name));
cpSync(resolve('uplot/dist/uPlot.min.css'), join(ROOT, 'dist', PAGE, 'uplot.css'));
writeFileSync(join(ROOT, 'dist/THIRD-PARTY-LICENSES.txt'), licensesOf(ROOT, bundles));
