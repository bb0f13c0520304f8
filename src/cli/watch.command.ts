/** etcd-lockstep watch */
import type { Command } from 'commander';
import { listenerUrl } from '../config/listenerurl.js';
import { badArgument } from '../errors.js';
import { hearViews } from '../listen/looking.js';
import { register, type Context } from './command.js';
import { stopping } from './stopping.js';
import { LineWatcher, PictureWatcher, type Watcher } from './watching.js';

export function watchCommand(program: Command): void {
  register(program, {
    name: 'watch',
    description:
      'Look at a command that runs with --listen, wherever it runs: what its page shows, in a terminal.',
    argument: ['address', 'of its listener: 2390, 10.0.0.5:2390, or the URL that it has logged'],
    required: [],
    optional: [],
    example: 'etcd-lockstep watch 2390',
    run: async (_options, context, address) => {
      const at = listenerUrl(address);
      if (!at)
        throw badArgument(
          // As it was typed it may hold a password.
          'what was given is no address of a listener',
          'It looks like 2390, 10.0.0.5:2390 or http://10.0.0.5:2390/; the command that is looked at has logged it.',
        );
      const watcher = watcherFor(context, at);
      try {
        for await (const heard of hearViews(at, context.signal)) watcher.heard(heard);
      } finally {
        watcher.end();
      }
      // Until it is stopped is all that it was asked for.
      return 0;
    },
  });
}

function watcherFor(context: Context, { href }: URL): Watcher {
  const isScreen = process.stdout.isTTY && process.env['TERM'] !== 'dumb';
  if (context.json || !isScreen) return new LineWatcher(context);
  return new PictureWatcher(href, process.stdout, (text) => {
    stopping.stdout.write(text);
  });
}
