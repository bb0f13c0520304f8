/**
 * docs/tutorial.md, done: its blocks are pasted into one bash, in their order, in a folder of their own, and
 * what stands below a block is what it prints. Only the ports are others, and what installs is left out.
 */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { cleanEnv, projectRoot } from '../rig/binaries.js';
import { removeAtExit, removeFolder } from '../rig/child.js';
import { binaries, freePorts } from '../rig/etcd.js';
import { notPrinted } from './masked.js';
import { blocksOf } from './pages.js';

const PAGE = 'docs/tutorial.md';
const BLOCKS = blocksOf(PAGE).filter(({ name }) => name !== 'install');
const PASTED = BLOCKS.filter(({ language }) => language === 'sh');

/** Between what one block prints and the next one. */
const MARK = '=== next block ===';

describe(PAGE, () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'tutorial-'));
    removeAtExit(folder);
  });
  after(() => {
    removeFolder(folder);
  });

  it('can be pasted from its beginning to its end, and prints what it shows', async () => {
    const script = PASTED.map(({ text }) => `${text}\necho '${MARK}'`).join('\n');
    const { code, printed } = await bash(await onFreePorts(script), folder);
    const outputs = printed.split(`${MARK}\n`);
    expect(outputs.length, printed).to.equal(PASTED.length + 1);
    for (const [i, { line, text, language }] of BLOCKS.entries())
      if (language === 'text') {
        const output = outputs[PASTED.indexOf(BLOCKS[i - 1]!)] ?? '';
        expect(notPrinted(text, output), `line ${line}:\n${output}`).to.equal(undefined);
      }
    expect(code).to.equal(0);
  });
});

async function onFreePorts(script: string): Promise<string> {
  const named = [...new Set(script.match(/(?<=127\.0\.0\.1:|--listen )\d+/g))];
  const ports = await freePorts(named.length);
  return named.reduce((text, port, i) => text.replaceAll(port, `${ports[i]}`), script);
}

/** What it leaves running is ended with it, also where it fails. */
async function bash(
  script: string,
  folder: string,
): Promise<{ code: number | null; printed: string }> {
  const child = spawn('/bin/bash', ['--noprofile', '--norc', '-c', `set -e\n${script}`], {
    ...{ cwd: folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
    env: { ...cleanEnv(), PATH: pathWith(folder) },
  });
  const end = () => {
    if (child.pid !== undefined) endGroup(child.pid);
  };
  process.once('exit', end);
  let printed = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (printed += chunk.toString()));
  const code = await new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  end();
  process.off('exit', end);
  return { code, printed };
}

function endGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // All of them have ended.
  }
}

/** With etcd-lockstep and etcd's programs, as after the install. */
function pathWith(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  const main = join(projectRoot(), 'dist/src/cli/main.js');
  writeFileSync(
    join(bin, 'etcd-lockstep'),
    `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`,
  );
  chmodSync(join(bin, 'etcd-lockstep'), 0o755);
  return [bin, dirname(binaries().etcd), process.env['PATH']].join(delimiter);
}
