/** The script for fish: one line for each command, and for each flag of it. */
import type { ListedCommand, ListedOption, Offered } from '../commandtable.js';

export function fishScript(commands: readonly ListedCommand[]): string {
  const outer = commands.filter(({ name }) => !name.includes(' '));
  return `# fish completion for etcd-lockstep
function __etcd_lockstep_config
  set -l file $LOCKSTEP_CONFIG
  set -l which
  set -l words (commandline -opc)
  for i in (seq (count $words))
    switch $words[$i]
      case -f --config
        set file $words[(math $i + 1)]
      case '--config=*'
        set file (string replace -- --config= '' $words[$i])
      case --migration
        set which --migration $words[(math $i + 1)]
      case '--migration=*'
        set which $words[$i]
    end
  end
  test $argv[1] = migrations; and set which
  test -n "$file"; and etcd-lockstep config get $argv[1] -f $file $which 2>/dev/null
end
complete -c etcd-lockstep -f
${outer.map(({ name, help }) => line('__fish_use_subcommand', `-a ${name}`, help)).join('\n')}
${line('__fish_use_subcommand', '-a help', 'what a command does, and its flags')}
${line('__fish_use_subcommand', '-a version', 'print the version')}
${line('__fish_use_subcommand', '-l version', 'print the version')}
complete -c etcd-lockstep -l help -d 'help'
${commands.map(ofCommand).join('\n')}
`;
}

function ofCommand({ name, help, argument, options }: ListedCommand): string {
  const [outer = '', action] = name.split(' ');
  const seen = `__fish_seen_subcommand_from ${outer}`;
  // What an action takes beside its file its command takes, too.
  if (action !== undefined)
    return [
      line(`${seen}; and not __fish_seen_subcommand_from ${action}`, `-a ${action}`, help),
      line(
        `${seen}; and __fish_seen_subcommand_from ${action}`,
        values(argument?.offered ?? 'any'),
      ),
    ].join('\n');
  return [
    ...options.map((option) => line(seen, flagOf(option), option.help)),
    ...(argument && argument.offered !== 'any'
      ? [line(seen, values(argument.offered), argument.help)]
      : []),
  ].join('\n');
}

function flagOf({ flag, short, value, offered }: ListedOption): string {
  const names = `${short === undefined ? '' : `-s ${short} `}-l ${flag.slice(2)}`;
  if (value === undefined) return names;
  return offered === 'any' ? `${names} -x` : `${names} -r ${values(offered)}`;
}

function values(offered: Offered): string {
  if (offered === 'any') return '-f';
  if (offered === 'files') return '-F';
  if (offered === 'folders') return "-f -a '(__fish_complete_directories)'";
  if ('config' in offered) return `-f -a '(__etcd_lockstep_config ${offered.config})'`;
  if ('wordsOrFiles' in offered) return `-F -a '${offered.wordsOrFiles.join(' ')}'`;
  return `-f -a '${offered.join(' ')}'`;
}

function line(condition: string, what: string, help = ''): string {
  const told = help === '' ? '' : ` -d '${help.replaceAll(/['\\]/g, String.raw`\$&`)}'`;
  return `complete -c etcd-lockstep -n '${condition}' ${what}${told}`;
}
