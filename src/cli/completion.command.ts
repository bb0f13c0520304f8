/** etcd-lockstep completion: a script for the shell, as etcdctl and kubectl have it. */
import type { Command } from 'commander';
import { badArgument } from '../errors.js';
import { register } from './command.js';
import { listCommands, type ListedCommand } from './commandtable.js';
import { bashScript } from './completion/bash.js';
import { fishScript } from './completion/fish.js';
import { zshScript } from './completion/zsh.js';

const SCRIPTS: Record<string, (commands: readonly ListedCommand[]) => string> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

export function completionCommand(program: Command): void {
  register(program, {
    name: 'completion',
    description: 'Print a script by which the shell completes commands, flags and files.',
    argument: ['shell', 'bash, zsh or fish'],
    required: [],
    optional: [],
    example: 'source <(etcd-lockstep completion bash)',
    run: async (_options, { print }, shell) => {
      const make = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
      if (!make)
        throw badArgument(`completion ${shell}: no such shell`, 'It is one of bash, zsh and fish.');
      const script = make(await listCommands());
      print({ completion: { shell, script } }, () => script.trimEnd());
      return undefined;
    },
  });
}
