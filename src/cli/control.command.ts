/** etcd-lockstep control: asks and steers a follower that runs, by the control socket beside its journal. */
import type { Command } from 'commander';
import type { z } from 'zod';
import { OPTIONS } from '../config/options.js';
import { ask, type Asked } from '../control/client.js';
import {
  auditAnswer,
  logLevelAnswer,
  statusAnswer,
  stopAnswer,
  throttleAnswer,
} from '../control/controls.js';
import { socketOf } from '../control/socketpath.js';
import { badArgument } from '../errors.js';
import { register, type Context } from './command.js';
import { rateText } from './steered.js';

export function controlCommand(program: Command): void {
  const control = register(program, {
    name: 'control',
    description: 'Ask or steer a follower that runs on this machine, without ending it.',
    argument: ['action', 'status, throttle, audit, log-level or stop'],
    required: ['journal'],
    optional: [],
    help: { journal: JOURNAL },
    example: 'etcd-lockstep control throttle 500 --journal pods.journal',
    run: (_options, _context, name) => {
      throw badArgument(
        `control ${name}: no such action`,
        'It is one of status, throttle, audit, log-level and stop.',
      );
    },
  });
  for (const action of ACTIONS) action(control);
}

const JOURNAL = 'directory of the journal that the follower runs with';

interface Action<T> {
  name: string;
  description: string;
  argument?: [string, string];
  example?: string;
  /** @throws LockstepError BAD_ARGUMENT */
  asked: (argument: string) => Asked;
  answer: z.ZodType<T>;
  /** What is printed with `-w json`, and for people. */
  object: (answer: T) => object;
  text: (answer: T, journal: string) => string;
}

function action<T>(spec: Action<T>): (control: Command) => void {
  const { name, description, argument, example = '', asked, answer, object, text } = spec;
  return (control) => {
    register(control, {
      ...{ name, description, required: ['journal'], optional: [], help: { journal: JOURNAL } },
      ...(argument ? { argument } : {}),
      example: `etcd-lockstep control ${name}${example} --journal pods.journal`,
      run: async ({ journal }, { print, signal }: Context, given) => {
        const answered = await ask(socketOf(journal), asked(given), answer, signal);
        print(object(answered), () => text(answered, journal));
        return 0;
      },
    });
  };
}

const ACTIONS = [
  action({
    name: 'status',
    description: 'How it is: its line; with -w json the object that it would print.',
    asked: () => ({ method: 'GET', path: '/status' }),
    answer: statusAnswer,
    object: ({ status }) => status,
    text: ({ line }) => line,
  }),
  action({
    name: 'throttle',
    description: 'Set how fast the target is written, at most, from now on.',
    argument: ['rate', 'revisions a second, or off: as fast as it goes'],
    example: ' 500',
    asked: (rate) => ({ method: 'PUT', path: '/throttle', body: { maxRate: maxRateOf(rate) } }),
    answer: throttleAnswer,
    object: (throttle) => ({ throttle }),
    text: ({ maxRate, before }) =>
      `The target is written ${rateText(maxRate)} (before: ${rateText(before)}).`,
  }),
  action({
    name: 'audit',
    description: 'Compare both sides now, beside the follower, as --audit-every does.',
    asked: () => ({ method: 'POST', path: '/audit' }),
    answer: auditAnswer,
    object: (audit) => ({ audit }),
    text: ({ state, reports }, journal) =>
      [
        `An audit begins ${state === 'in lockstep' ? 'now' : `as soon as it is in lockstep (now: ${state})`}.`,
        `Its result: \`etcd-lockstep control status -w json --journal ${journal}\`, and the log; its report: ${reports}/`,
      ].join('\n'),
  }),
  action({
    name: 'log-level',
    description: 'Set what is logged, at least, from now on.',
    argument: ['level', 'info, warn or error'],
    example: ' warn',
    asked: (level) => ({ method: 'PUT', path: '/log-level', body: { level: levelOf(level) } }),
    answer: logLevelAnswer,
    object: (logLevel) => ({ logLevel }),
    text: ({ level, before }) => `Logged is ${level} and above (before: ${before}).`,
  }),
  action({
    name: 'stop',
    description: 'End it cleanly, as SIGTERM does.',
    asked: () => ({ method: 'POST', path: '/stop' }),
    answer: stopAnswer,
    object: (stop) => ({ stop }),
    text: () => 'It stops after what is under way.',
  }),
];

function maxRateOf(typed: string): number | null {
  if (typed === 'off') return null;
  const { data } = OPTIONS.maxRate.schema.safeParse(typed);
  if (data !== undefined) return data;
  throw badArgument(
    `control throttle ${JSON.stringify(typed)}: must be a whole number from 1 to 1000000, or off`,
    'It is revisions a second: `control throttle 500`.',
  );
}

function levelOf(typed: string): string {
  const { data } = OPTIONS.logLevel.schema.safeParse(typed);
  if (data !== undefined) return data;
  throw badArgument(
    `control log-level ${JSON.stringify(typed)}: must be info, warn or error`,
    'These are the levels that there are.',
  );
}
