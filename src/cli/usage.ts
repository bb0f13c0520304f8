/** What is wrong with a command line, as an error of ours: what it is, and what to type instead. */
import type { CommanderError } from 'commander';
import { flagOf, OPTIONS, type OptionName } from '../config/options.js';
import { badArgument, type LockstepError } from '../errors.js';

const LIMITS = 'Leave it out: every request has a time limit of its own.';
const CHECKED =
  "Certificates are always checked: give the CA with --cacert (the target's with --dest-cacert).";

/** Flags of etcdctl that there are not here, without `--dest-`. */
const INSTEAD: Record<string, string> = {
  '--command-timeout': LIMITS,
  '--dial-timeout': LIMITS,
  '--keepalive-time': LIMITS,
  '--keepalive-timeout': LIMITS,
  '--insecure-skip-tls-verify': CHECKED,
  '--insecure-transport': 'Write http:// or https:// in --endpoints; certificates make it https.',
  '--discovery-srv': 'Name every member in --endpoints.',
  '--cluster': 'Name every member in --endpoints.',
  '--server': 'Name every apiserver in --apiservers.',
  '--context': 'Choose it with `kubectl config use-context`.',
  '--debug': 'Leave it out: there is --log-level.',
};

/**
 * @param error of commander, which has printed nothing
 * @param command that was typed, if any
 */
export function usageError(error: CommanderError, command: string | undefined): LockstepError {
  const message = error.message.replace(/^error: /, '').replace(/\n\((.*)\)$/, '. $1');
  const flag = /'(--[\w-]+)/.exec(message)?.[1] ?? '';
  switch (error.code) {
    case 'commander.unknownCommand':
      return badArgument(message, '`etcd-lockstep --help` lists the commands.');
    case 'commander.unknownOption':
      if (isOurs(flag) && command !== undefined)
        return badArgument(`${command} does not take ${flag}`, seeHelp(command));
      return badArgument(message, INSTEAD[flag.replace('--dest-', '--')] ?? seeHelp(command));
    default:
      return badArgument(message, seeHelp(command));
  }
}

function isOurs(flag: string): boolean {
  return (Object.keys(OPTIONS) as OptionName[]).some((name) => flagOf(name) === flag);
}

function seeHelp(command: string | undefined): string {
  return command === undefined
    ? '`etcd-lockstep --help` says more.'
    : `\`etcd-lockstep ${command} --help\` lists its flags.`;
}
