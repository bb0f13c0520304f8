/** The script for zsh: its own _arguments does the work. It may be sourced, or lie in $fpath. */
import type { ListedCommand, ListedOption, Offered } from '../commandtable.js';

export function zshScript(commands: readonly ListedCommand[]): string {
  const outer = commands.filter(({ name }) => !name.includes(' '));
  return `#compdef etcd-lockstep
# zsh completion for etcd-lockstep
_etcd_lockstep_commands() {
  local -a commands=(
${outer.map(({ name, help }) => `    ${quoted(`${name}:${help}`)}`).join('\n')}
    'help:what a command does, and its flags'
    'version:print the version'
  )
  _describe command commands
}

_etcd_lockstep_config() {
  local i file=$LOCKSTEP_CONFIG
  local -a which
  for ((i = 1; i < CURRENT; i++)); do
    case $words[i] in
      -f|--config) file=$words[i+1] ;;
      --config=*) file=\${words[i]#--config=} ;;
      --migration) which=(--migration $words[i+1]) ;;
      --migration=*) which=($words[i]) ;;
    esac
  done
  [[ -n $file ]] || return
  [[ $1 == migrations ]] && which=()
  local -a given=(\${(f)"$(etcd-lockstep config get $1 -f $file $which 2>/dev/null)"})
  compadd -a given
}

_etcd-lockstep() {
  local context state state_descr line
  local -A opt_args
  _arguments -C '--help[help]' '--version[print the version]' '1: :_etcd_lockstep_commands' '*:: :->rest'
  [[ $state == rest ]] || return
  case $words[1] in
${outer.map((command) => oneCommand(command, commands)).join('\n')}
  esac
}

if [[ $funcstack[1] == _etcd-lockstep ]]; then
  _etcd-lockstep "$@"
else
  compdef _etcd-lockstep etcd-lockstep
fi
`;
}

function oneCommand(command: ListedCommand, commands: readonly ListedCommand[]): string {
  const actions = commands.filter(({ name }) => name.startsWith(`${command.name} `));
  const short = actions.map((action) => action.name.slice(command.name.length + 1));
  const { name, offered } = command.argument ?? { name: 'action', offered: short };
  // Behind an action that has an argument of its own.
  const behind = actions.map((action) => action.argument?.offered).find((one) => one !== undefined);
  const specs = [
    ...command.options.map(flagSpec),
    ...(command.argument || short.length > 0 ? [quoted(`1:${name}:${actionOf(offered)}`)] : []),
    ...(behind ? [quoted(`2:file:${actionOf(behind)}`)] : []),
  ];
  return `    ${command.name}) _arguments '--help[help]' \\\n      ${specs.join(' \\\n      ')} ;;`;
}

/** A list may be given several times. */
function flagSpec({ flag, short, value, help, offered }: ListedOption): string {
  const text = help.replaceAll(/[[\]\\]/g, String.raw`\$&`);
  const behind =
    value === undefined ? '' : `:${value.replaceAll(/[:[\]]/g, ' ')}:${actionOf(offered)}`;
  const equals = value === undefined ? '' : '=';
  const long = quoted(`*${flag}${equals}[${text}]${behind}`);
  return short === undefined ? long : `${long} ${quoted(`*-${short}[${text}]${behind}`)}`;
}

function actionOf(offered: Offered): string {
  if (offered === 'any') return ' ';
  if (offered === 'files') return '_files';
  if (offered === 'folders') return '_files -/';
  if ('config' in offered) return `{_etcd_lockstep_config ${offered.config}}`;
  if ('wordsOrFiles' in offered) return `{compadd ${offered.wordsOrFiles.join(' ')}; _files}`;
  return `(${offered.join(' ')})`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
