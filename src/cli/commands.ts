/**
 * The commands by name, each loaded when it is needed: all of them together take a quarter of a second
 * to load, which every `status` in a script would pay.
 */
import type { Command } from 'commander';

type Add = (program: Command) => void;

/** In the order in which they are used. */
const COMMANDS: Record<string, () => Promise<Add>> = {
  plan: async () => (await import('./plan.command.js')).planCommand,
  seed: async () => (await import('./seed.command.js')).seedCommand,
  crop: async () => (await import('./crop.command.js')).cropCommand,
  follow: async () => (await import('./follow.command.js')).followCommand,
  audit: async () => (await import('./audit.command.js')).auditCommand,
  control: async () => (await import('./control.command.js')).controlCommand,
  status: async () => (await import('./status.command.js')).statusCommand,
  watch: async () => (await import('./watch.command.js')).watchCommand,
  mirror: async () => (await import('./mirror.command.js')).mirrorCommand,
  freeze: async () => (await import('./freeze.command.js')).freezeCommand,
  cutover: async () => (await import('./cutover.command.js')).cutoverCommand,
  fence: async () => (await import('./fence.command.js')).fenceCommand,
  rollback: async () => (await import('./rollback.command.js')).rollbackCommand,
  retire: async () => (await import('./retire.command.js')).retireCommand,
  config: async () => (await import('./config.command.js')).configCommand,
  completion: async () => (await import('./completion.command.js')).completionCommand,
};

export const COMMAND_NAMES = [...Object.keys(COMMANDS), 'help', 'version'];

/** @param name what stands where a command belongs; anything but a command's name adds them all */
export async function addCommands(program: Command, name: string | undefined): Promise<void> {
  const one = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const loaded = await Promise.all(one ? [one()] : Object.values(COMMANDS).map((load) => load()));
  for (const add of loaded) add(program);
}
