/** The command line as users of etcdctl type it. */
import { expect } from 'chai';
import { arrange } from '../../src/cli/arrange.js';

const COMMANDS = ['status', 'audit', 'crop', 'mirror', 'help', 'version'];

describe('the order of a command line', () => {
  for (const [typed, means] of [
    ['-w json status --endpoints a:1', 'status --write-out=json --endpoints=a:1'],
    ['-wjson status', 'status --write-out=json'],
    ['--endpoints status status', 'status --endpoints=status'],
    ['crop --prefix /a/ file.db', 'crop --prefix=/a/ file.db'],
    ['crop file.db --prefix /a/', 'crop file.db --prefix=/a/'],
    ['--prefix /a/ crop --prefix=/b/ file.db', 'crop --prefix=/a/ --prefix=/b/ file.db'],
    ['audit --history', 'audit --history=true'],
    ['audit --history=false', 'audit --history=false'],
    ['crop --allow-empty file.db', 'crop --allow-empty=true file.db'],
    ['mirror --no-dest-prefix', 'mirror --no-dest-prefix=true'],
    ['--history audit', 'audit --history=true'],
    ['audit -h', 'audit -h'],
    ['--help audit', 'audit --help'],
    ['help audit', 'audit --help'],
    ['help', '--help'],
    ['help help', '--help --help'],
    ['help nosuch', 'nosuch'],
    ['nosuch --help', 'nosuch'],
    ['version', '--version'],
    ['', ''],
    ['--nope x status', 'status --nope x'],
    ['--nope=x status', 'status --nope'],
    ['--nope x', '--nope x'],
    ['status --endpoints', 'status --endpoints'],
    ['crop -- --odd', 'crop -- --odd'],
  ] as const)
    it(typed === '' ? 'nothing' : typed, () => {
      const { words } = arrange(typed.split(' ').filter(Boolean), COMMANDS);
      expect(words.join(' ')).to.equal(means);
    });

  it('tells what was given, also before the command', () => {
    const { typed } = arrange(['-w', 'text', 'status', '--write-out=json'], COMMANDS);
    expect(typed).to.deep.equal({ writeOut: ['text', 'json'] });
  });
});
