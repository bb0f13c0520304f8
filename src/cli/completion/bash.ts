/**
 * The script for bash, which needs nothing beside it. bash cuts `--from=range` into three words, so what
 * stands behind a `=` is completed as what stands behind a blank.
 */
import type { ListedCommand, ListedOption, Offered } from '../commandtable.js';

export function bashScript(commands: readonly ListedCommand[]): string {
  const outer = commands.filter(({ name }) => !name.includes(' '));
  const values = valueCases(commands.flatMap(({ options }) => options));
  return `# bash completion for etcd-lockstep
_etcd_lockstep_config() {
  local i value file=$LOCKSTEP_CONFIG which=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    value=\${COMP_WORDS[i+1]}; [[ $value == = ]] && value=\${COMP_WORDS[i+2]}
    case "\${COMP_WORDS[i]}" in
      -f|--config) file=$value ;;
      --migration) which=(--migration "$value") ;;
    esac
  done
  [[ $1 == migrations ]] && which=()
  [[ -n $file ]] && "\${COMP_WORDS[0]}" config get "$1" -f "$file" "\${which[@]}" 2>/dev/null
}
_etcd_lockstep() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= word i
  COMPREPLY=()
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$word" in
      ${[...values.keys()].join('|')}) [[ \${COMP_WORDS[i+1]} == = ]] && ((i++)); ((i++)) ;;
      -*) ;;
      *) case "$command $word" in
${commands.map(({ name }) => `        ${JSON.stringify(name.includes(' ') ? name : ` ${name}`)}) command=${JSON.stringify(name)} ;;`).join('\n')}
      esac ;;
    esac
  done
  case "$prev" in
${[...values].map(([flag, offered]) => `    ${flag}) ${reply(offered)}; return ;;`).join('\n')}
  esac
  case "$command" in
    "") ${words(['--help', '--version', ...outer.map(({ name }) => name), 'help', 'version'])} ;;
${commands.map((command) => `    ${JSON.stringify(command.name)}) ${atCommand(command, commands)} ;;`).join('\n')}
  esac
}
complete -F _etcd_lockstep etcd-lockstep
`;
}

/** By flag and by letter: what may stand behind it. Switches are not in it. */
function valueCases(options: readonly ListedOption[]): Map<string, Offered> {
  const withValue = options.filter(({ value }) => value !== undefined);
  return new Map(
    withValue.flatMap(({ flag, short, offered }) => [
      [flag, offered] as const,
      ...(short === undefined ? [] : [[`-${short}`, offered] as const]),
    ]),
  );
}

function atCommand(command: ListedCommand, commands: readonly ListedCommand[]): string {
  const flags = ['--help', ...command.options.map(({ flag }) => flag)];
  const actions = commands
    .filter(({ name }) => name.startsWith(`${command.name} `))
    .map(({ name }) => name.slice(command.name.length + 1));
  const { offered = actions } = command.argument ?? {};
  const atFlag = `[[ $cur == -* ]] && ${words(flags)}`;
  return offered === 'any'
    ? atFlag
    : `if [[ $cur == -* ]]; then ${words(flags)}; else ${reply(offered)}; fi`;
}

function reply(offered: Offered): string {
  if (offered === 'any') return ':';
  if (offered === 'files') return names('-f');
  if (offered === 'folders') return names('-d');
  if ('config' in offered)
    return `COMPREPLY=($(compgen -W "$(_etcd_lockstep_config ${offered.config})" -- "$cur"))`;
  if ('wordsOrFiles' in offered) return `${words(offered.wordsOrFiles)}; ${names('-f')}`;
  return words(offered);
}

/** Names with blanks stay whole, and are quoted by readline. */
function names(which: '-f' | '-d'): string {
  return `compopt -o filenames 2>/dev/null; while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen ${which} -- "$cur")`;
}

function words(list: readonly string[]): string {
  return `COMPREPLY=($(compgen -W "${list.join(' ')}" -- "$cur"))`;
}
