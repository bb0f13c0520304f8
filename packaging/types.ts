/**
 * Makes dist/src/index.d.ts: what the library's face declares and all that this stands on, in one file.
 * Nothing in it may come from a package, for none is installed beside ours (bundle.ts).
 */
import { rollup } from 'rollup';
import { dts } from 'rollup-plugin-dts';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

const bundle = await rollup({
  input: `${ROOT}src/index.ts`,
  external: (id) => !/^[./]/.test(id),
  plugins: [
    dts({
      tsconfig: `${ROOT}tsconfig.build.json`,
      // What speaks in generated messages is marked @internal.
      compilerOptions: { stripInternal: true },
    }),
  ],
});
const { output } = await bundle.write({
  file: `${ROOT}dist/src/index.d.ts`,
  // Node's own types, which not everybody has told the compiler of.
  banner: '/// <reference types="node" />',
});
const foreign = output[0].imports.filter((name) => !name.startsWith('node:'));
if (foreign.length > 0)
  throw new Error(`the library's declarations need ${foreign.join(', ')}, which is not installed`);
