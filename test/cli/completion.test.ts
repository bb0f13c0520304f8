/** The scripts of `completion`, asked by the shells themselves; bash is everywhere, zsh and fish where they are. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { listCommands } from '../../src/cli/commandtable.js';
import { removeAtExit } from '../rig/child.js';
import { errorOf, run } from './run.js';

/** Asks the shell what may stand at the end of a line. */
type Ask = (script: string, line: string, folder: string) => string[];

const BASH = `
source "$1"; line=$2; COMP_WORDS=(); COMP_LINE=$line; COMP_POINT=\${#line}
read -ra COMP_WORDS <<<"\${line//=/ = }"; [[ $line == *[\\ =] ]] && COMP_WORDS+=("")
[[ $line == *= ]] && unset 'COMP_WORDS[-1]'
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1)); _etcd_lockstep; printf '%s\\n' "\${COMPREPLY[@]}"`;

/**
 * A shell on a terminal of its own, for zsh completes nowhere else; what it would offer is printed. What is
 * waited for is not what was typed, as that may be echoed before it is read.
 */
const ZSH = `
zmodload zsh/zpty; zpty z zsh -f -i
send() { zpty -w z "$1" }; : >$3/offered
send 'autoload -U compinit; compinit -u -D; source '$1
send 'compadd() { local -a found; builtin compadd -O found "$@"; print -rl -- "<"$^found">" >>'$3'/offered; builtin compadd "$@" }'
send 'PS1=rea""dy'; while zpty -r -t z said || sleep 0.05; do [[ $said == *ready* ]] && break; done
zpty -w -n z "$2"$'\\t'
send $'\\x15echo de""ad'; while zpty -r -t z said || sleep 0.05; do [[ $said == *dead* ]] && break; done
cat $3/offered`;

const SHELLS: Record<string, Ask> = {
  bash: (script, line, cwd) => ask(cwd, 'bash', '--norc', '-c', BASH, 'bash', script, line),
  zsh: (script, line, cwd) =>
    ask(cwd, 'zsh', '-f', '-c', ZSH, 'zsh', script, line, newFolder())
      .filter((one) => /^<.*>$/.test(one))
      .map((one) => one.slice(1, -1)),
  fish: (script, line, cwd) =>
    ask(cwd, 'fish', '-N', '-c', `source $argv[1]; complete -C $argv[2]`, script, line).map(
      (one) => one.split('\t')[0] ?? '',
    ),
};

/** The scripts ask the command by its name. */
const BIN = newFolder();
symlinkSync(
  fileURLToPath(new URL('../../dist/src/cli/main.js', import.meta.url)),
  join(BIN, 'etcd-lockstep'),
);

function ask(cwd: string, program: string, ...args: string[]): string[] {
  const env = { ...process.env, PATH: `${BIN}:${process.env['PATH'] ?? ''}` };
  const { stdout, stderr, status } = spawnSync(program, args, {
    ...{ cwd, env, encoding: 'utf8', timeout: 60_000 },
  });
  if (status !== 0) throw new Error(`${program}: ${stderr}`);
  return stdout.split('\n').filter((one) => one !== '');
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'completion-'));
  removeAtExit(folder);
  return folder;
}

/** zsh tells some of them twice. */
const bare = (offered: readonly string[]) => [
  ...new Set(offered.map((one) => one.trim().replace(/[=/]$/, ''))),
];

for (const [shell, offeredBy] of Object.entries(SHELLS))
  describe(`completion ${shell}`, () => {
    let script: string;
    const folder = newFolder();
    const offered = (line: string) => bare(offeredBy(script, `etcd-lockstep ${line}`, folder));

    before(async function () {
      if (spawnSync(shell, ['--version']).error) {
        console.log(`      there is no ${shell} here`);
        this.skip();
      }
      const { code, stdout } = await run(['completion', shell]);
      expect(code).to.equal(0);
      script = join(newFolder(), 'script');
      writeFileSync(script, stdout);
      writeFileSync(join(folder, 'a base.db'), '');
      mkdirSync(join(folder, 'a journal'));
    });

    it('commands, and actions of a command', async () => {
      const outer = (await listCommands()).map(({ name }) => name).filter((one) => !/ /.test(one));
      expect(offered('')).to.include.members([...outer, 'help', 'version']);
      expect(offered('foll').join()).to.contain('follow');
      expect(offered('freeze ')).to.include.members(['print', 'apply', 'remove', 'probe']);
      expect(offered('audit ')).to.include('verify');
    });

    it('all flags of a command, and no others', async () => {
      const follow = (await listCommands()).find(({ name }) => name === 'follow');
      const flags = follow?.options.map(({ flag }) => flag) ?? [];
      expect(flags.length).to.be.greaterThan(20);
      const all = offered('follow --');
      expect(all).to.include.members([...flags, '--help']);
      expect(all).not.to.include('--prune');
      expect(offered('follow --endpoints http://a:1 --jour')).to.deep.equal(['--journal']);
    });

    it('what a flag takes: words, files, folders, or nothing that could be known', () => {
      expect(offered('status -w ')).to.have.members(['text', 'json']);
      expect(
        offered('status --write-out=').map((one) => one.replace('--write-out=', '')),
      ).to.have.members(['text', 'json']);
      const unquoted = (line: string) => offered(line).map((one) => one.replaceAll('\\', ''));
      const ways = ['range', 'snapshot', 'a base.db'];
      expect(unquoted('seed --from ')).to.include.members(ways);
      expect(unquoted('seed --from=').map((one) => one.replace('--from=', ''))).to.include.members(
        ways,
      );
      expect(unquoted('seed --out ')).to.include.members(['a base.db', 'a journal']);
      expect(unquoted('seed --journal ')).to.deep.equal(['a journal']);
      expect(offered('seed --endpoints ')).to.deep.equal([]);
      expect(unquoted('audit verify ')).to.include('a base.db');
    });

    it('resources and prefixes of the config file that stands on the line', () => {
      writeFileSync(
        join(folder, 'pods.yaml'),
        'prefixes: [/registry/pods/, /registry/leases/]\nkubernetes: {resources: [pods, leases]}\n',
      );
      expect(offered('cutover -f pods.yaml --resource ')).to.have.members(['pods', 'leases']);
      expect(offered('cutover --config pods.yaml --resource p')).to.deep.equal(['pods']);
      expect(offered('seed -f pods.yaml --prefix ').map((one) => `${one}/`)).to.have.members([
        ...['/registry/pods/', '/registry/leases/'],
      ]);
      expect(offered('cutover -f none.yaml --resource ')).to.deep.equal([]);
      expect(offered('cutover --resource ')).to.deep.equal([]);
    });

    it('migrations of that file, and what the one on the line has', () => {
      writeFileSync(
        join(folder, 'split.yaml'),
        'migrations: {pods: {prefixes: [/p/]}, leases: {prefixes: [/l/]}}\n',
      );
      expect(offered('follow -f split.yaml --migration ')).to.have.members(['pods', 'leases']);
      expect(offered('follow -f split.yaml --migration l')).to.deep.equal(['leases']);
      expect(offered('seed -f split.yaml --migration leases --prefix ')).to.deep.equal(['/l']);
      expect(offered('seed -f split.yaml --prefix ')).to.deep.equal([]);
    });
  });

describe('completion', () => {
  it('of a shell that it does not know is refused, with those that it knows', async () => {
    const { code, stderr } = await run(['completion', 'tcsh', '-w', 'json']);
    expect(code).to.equal(2);
    expect(errorOf({ stderr })).to.include({ code: 'BAD_ARGUMENT' });
    expect(errorOf({ stderr }).hint).to.contain('bash, zsh and fish');
  });
});
