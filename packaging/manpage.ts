/** Makes dist/man/etcd-lockstep.1 of the table of commands and options. `make build` runs it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { listCommands, type ListedCommand, type ListedOption } from '../src/cli/commandtable.js';
import { ownVersion } from '../src/ownversion.js';

const FOLDER = fileURLToPath(new URL('../dist/man/', import.meta.url));

/** In docs/reference.md there is more to each. */
const EXIT_CODES: readonly [code: string, meaning: string][] = [
  ['0', 'Done.'],
  ['1', 'Differences were found, or a check says stop or too late, or it is done with alarms.'],
  ['2', 'Wrong usage: nothing was begun.'],
  ['3', 'Something does not answer. The same command again, later.'],
  ['4', 'History is lost: seed again.'],
  ['5', 'Stop, and look: another try would not help.'],
  ['6', 'It is done, but its output could not be written.'],
  ['70', 'A bug.'],
  ['130', 'Ended by a signal before it was done.'],
];

const ENVIRONMENT = `Each flag can be given as a variable instead, whose name is the flag's: --until-revision is
LOCKSTEP_UNTIL_REVISION. A flag wins over its variable. The variables of etcdctl are not read.`;

const FILES: readonly [what: string, meaning: string][] = [
  ['the folder of --journal', 'The journal. It belongs to one source and one target.'],
  ['the file of --out', 'The base, for etcdutl snapshot restore.'],
  ['~/.kube/config', 'The kubeconfig, where neither --kubeconfig nor $KUBECONFIG names one.'],
];

/** In troff a backslash, and a dot or a quote at the beginning of a line, are not themselves. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll(/^(?=[.'])/gm, String.raw`\&`)
    .replaceAll('…', '...');
}

function tagged(tag: string, text: string): string {
  return `.TP\n.B ${escaped(tag)}\n${escaped(text)}`;
}

function optionPart({ flag, short, value, help }: ListedOption): string {
  const names = short === undefined ? flag : `-${short}, ${flag}`;
  return tagged(value === undefined ? names : `${names} <${value}>`, help);
}

function commandPart({ name, help, argument, options }: ListedCommand): string {
  const usage = `${name}${argument ? ` <${argument.name}>` : ''} [flags]`;
  const taken = argument ? [tagged(`<${argument.name}>`, argument.help)] : [];
  const own = options.filter(({ flag }) => !isCommon(flag));
  return [`.SS "${escaped(usage)}"`, escaped(help), ...taken, ...own.map(optionPart)].join('\n');
}

const commands = await listCommands();
const common = (commands[0]?.options ?? []).filter(({ flag }) =>
  commands.every(({ options }) => options.some((one) => one.flag === flag)),
);
const isCommon = (flag: string): boolean => common.some((one) => one.flag === flag);

const page = `.\\" Made by packaging/manpage.ts
.TH ETCD\\-LOCKSTEP 1 "" "etcd\\-lockstep ${ownVersion()}" "User Commands"
.\\" Names of variables stay whole
.nh
.SH NAME
etcd\\-lockstep \\- move prefixes of a live etcd into an etcd of their own, at the same revisions
.SH SYNOPSIS
.B etcd\\-lockstep
.I command
.RI [ flags ]
.SH DESCRIPTION
${escaped(`Moves the busiest resource of a large Kubernetes cluster, Pods, into an etcd of its own, so that every key
keeps its revisions and leases, while it is written. The order of work: plan, seed, follow and let it
run, restore the base with etcdutl, audit, cutover, retire.`)}
.PP
${escaped('Lists take commas, or the flag again. A switch takes =false. A time is 500ms, 30s, 5m or 2h, and seconds where there is no unit. Results go to stdout, all else to stderr.')}
.SH COMMANDS
${commands.map(commandPart).join('\n')}
.SH COMMON OPTIONS
${common.map(optionPart).join('\n')}
${tagged('-h, --help', 'Of the program, or of a command.')}
${tagged('-V, --version', 'Print the version.')}
.SH ENVIRONMENT
${escaped(ENVIRONMENT)}
.SH FILES
${FILES.map(([what, meaning]) => tagged(what, meaning)).join('\n')}
.SH EXIT STATUS
${EXIT_CODES.map(([code, meaning]) => tagged(code, meaning)).join('\n')}
.SH SEE ALSO
.BR etcd (1),
.BR etcdctl (1)
`;

mkdirSync(FOLDER, { recursive: true });
writeFileSync(`${FOLDER}etcd-lockstep.1`, page);
