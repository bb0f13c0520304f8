/** The manual page: all that the table has, and no fault that man or mandoc finds. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { listCommands } from '../../src/cli/commandtable.js';
import { flagOf, OPTIONS, variableOf, type OptionName } from '../../src/config/options.js';
import { ROOT } from './installed.js';

const PAGE = join(ROOT, 'dist/man/etcd-lockstep.1');

/** What a program says of it on stderr and stdout; undefined where there is no such program. */
function said(program: string, ...args: string[]): { text: string; faults: string } | undefined {
  const { stdout, stderr, error } = spawnSync(program, [...args, PAGE], {
    ...{ encoding: 'utf8', env: { ...process.env, MANWIDTH: '200', LC_ALL: 'C.UTF-8' } },
  });
  return error ? undefined : { text: stdout, faults: stderr };
}

describe('the manual page', () => {
  it('names each command, flag, variable and exit code', async () => {
    const source = readFileSync(PAGE, 'utf8').replaceAll(String.raw`\-`, '-');
    for (const { name } of await listCommands()) expect(source).to.contain(`.SS "${name} `);
    for (const name of Object.keys(OPTIONS) as OptionName[]) {
      expect(source).to.match(new RegExp(`^\\.B .*${flagOf(name)}( <|$)`, 'm'));
      expect(source).to.contain(variableOf(name));
    }
    const codes = readFileSync(join(ROOT, 'docs/reference.md'), 'utf8').split('## Exit codes')[1];
    for (const [, code] of codes?.matchAll(/^\| (\d+) /gm) ?? [])
      expect(source, code).to.contain(`.B ${code}\n`);
  });

  it('man has no warning', function () {
    const man = said('man', '--warnings', '-l');
    if (!man) return this.skip();
    expect(man.faults).to.equal('');
    expect(man.text).to.contain('--dest-endpoints <urls>');
  });

  it('mandoc has no warning', function () {
    const mandoc = said('mandoc', '-T', 'lint', '-W', 'warning');
    if (!mandoc) return this.skip();
    // The same page comes of the same sources, whenever that is: it has a version and no date.
    const lines = `${mandoc.text}${mandoc.faults}`.split('\n').filter((line) => line !== '');
    expect(lines.filter((line) => !line.includes('missing date'))).to.deep.equal([]);
  });
});
