/**
 * What an option can be: how it is typed, and what that means. One way to say each, wherever it is said.
 *
 *     switch     --history, --history=false; LOCKSTEP_HISTORY=false
 *     list       with commas, or several times, or both
 *     duration   500ms, 30s, 5m, 2h, 1h30m; a bare number is seconds
 *     size       64KiB, 4MiB, 1GiB; a bare number is bytes
 *     number     digits alone: what is printed for a revision can be given as one
 */
import { z } from 'zod';
import { parseListenAddress, type ListenAddress } from './listenaddress.js';
import { listenerUrl } from './listenerurl.js';

type OptionKind =
  'switch' | 'text' | 'list' | 'file' | 'folder' | 'number' | 'duration' | 'size' | 'choice';

export interface OptionSpec<T> {
  kind: OptionKind;
  /** What stands for the value in help; a switch has none. */
  value?: string;
  help: string;
  /** Takes a string; a list takes all that it was given. */
  schema: z.ZodType<T>;
  /** As it would be typed. */
  default?: string;
  /** All that it can be, where that is a few words; of a file, words that name none. */
  choices?: readonly string[];
  /** A letter for it, as with etcdctl. */
  short?: string;
  /** Never printed, not even when it is wrong. */
  secret?: boolean;
  /** Where it stands in a config file: `source.endpoints`. What belongs to one run alone has none. */
  place?: string;
  /** A list's: one thing as it would be typed, with commas in it. */
  quote?: (one: string) => string;
}

const nonEmpty = z.string().min(1, 'must not be empty');

export function onOff(help: string): OptionSpec<boolean> {
  return { kind: 'switch', help, schema: z.stringbool('must be true or false') };
}

export function text(
  value: string,
  help: string,
  schema: z.ZodType<string> = nonEmpty,
): OptionSpec<string> {
  return { kind: 'text', value, help, schema };
}

export function file(help: string): OptionSpec<string> {
  return { kind: 'file', value: 'file', help, schema: nonEmpty };
}

export function folder(help: string): OptionSpec<string> {
  return { kind: 'folder', value: 'dir', help, schema: nonEmpty };
}

export function choice<const T extends string>(
  value: string,
  choices: readonly T[],
  help: string,
): OptionSpec<T> {
  const schema = z.enum(choices, `must be ${choices.join(' or ')}`);
  return { kind: 'choice', value, help, schema, choices };
}

/** One of a few words, or else a file; one that is called so is given with its folder: `./snapshot`. */
export function wordOrFile<const T extends string>(
  value: string,
  choices: readonly T[],
  help: string,
): OptionSpec<T | { file: string }> {
  const word = z.enum(choices);
  const path = nonEmpty.transform((file) => ({ file }));
  return { kind: 'file', value, help, schema: z.union([word, path]), choices };
}

export function whole(value: string, min: number, max: number, help: string): OptionSpec<number> {
  const schema = digits(`must be a whole number from ${min} to ${max}`, min, max);
  return { kind: 'number', value, help, schema };
}

export function revision(help: string): OptionSpec<number> {
  const schema = digits('must be a revision: a whole number above 0', 1, Number.MAX_SAFE_INTEGER);
  return { kind: 'number', value: 'revision', help, schema };
}

function digits(rule: string, min: number, max: number): z.ZodType<number> {
  return z
    .string()
    .regex(/^\d+$/, rule)
    .transform(Number)
    .refine((n) => n >= min && n <= max, rule);
}

/**
 * Seconds.
 * @param min as it would be typed; so is `max`
 */
export function duration(min: string, max: string, help: string): OptionSpec<number> {
  const rule = `must be a time from ${min} to ${max}, such as 500ms, 30s, 5m or 2h; a bare number is seconds`;
  const [least = 0, most = 0] = [min, max].map(seconds);
  const schema = z.string().transform((typed, context) => {
    const given = seconds(typed);
    if (given !== undefined && given >= least && given <= most) return given;
    context.addIssue(rule);
    return z.NEVER;
  });
  return { kind: 'duration', value: 'time', help, schema };
}

const SECONDS = { ms: 0.001, s: 1, m: 60, h: 3600 };

function seconds(typed: string): number | undefined {
  if (/^\d+(\.\d+)?$/.test(typed)) return Number(typed);
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(typed)) return undefined;
  const parts = typed.matchAll(/([\d.]+)(ms|s|m|h)/g);
  return [...parts].reduce(
    (sum, [, n, unit]) => sum + Number(n) * SECONDS[unit as keyof typeof SECONDS],
    0,
  );
}

/**
 * Bytes.
 * @param min as it would be typed; so is `max`
 */
export function size(min: string, max: string, help: string): OptionSpec<number> {
  const rule = `must be a size from ${min} to ${max}, such as 512KiB or 4MiB; a bare number is bytes`;
  const [least = 0, most = 0] = [min, max].map(sizeInBytes);
  const schema = z.string().transform((typed, context) => {
    const given = sizeInBytes(typed);
    if (given !== undefined && given >= least && given <= most) return given;
    context.addIssue(rule);
    return z.NEVER;
  });
  return { kind: 'size', value: 'size', help, schema };
}

const BYTES: Record<string, number> = { KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

function sizeInBytes(typed: string): number | undefined {
  const [, n, unit] = /^(\d+(?:\.\d+)?)(KiB|MiB|GiB)?$/.exec(typed) ?? [];
  return n === undefined ? undefined : Number(n) * (BYTES[unit ?? ''] ?? 1);
}

/** Where to listen; a port alone is loopback's. */
export function listenAddress(help: string): OptionSpec<ListenAddress> {
  const rule = 'must be a port, or look like 127.0.0.1:2390 or [::1]:2390';
  const schema = z.string().transform((typed, context) => {
    const address = parseListenAddress(typed);
    if (address) return address;
    context.addIssue(rule);
    return z.NEVER;
  });
  return { kind: 'text', value: 'host:port', help, schema };
}

/** Where somebody else listens. */
export function listenerAddress(help: string): OptionSpec<URL> {
  const rule = 'must be a port, or look like 127.0.0.1:2390 or http://127.0.0.1:2390/';
  const schema = z.string().transform((typed, context) => {
    const url = listenerUrl(typed);
    if (url) return url;
    context.addIssue(rule);
    return z.NEVER;
  });
  return { kind: 'text', value: 'address', help, schema };
}

export type Issue = (what: string) => void;

/**
 * @param check makes of the parts what the option means; undefined only after an issue
 * @param split takes one of the things that were given apart
 * @param quote goes the other way: only who lets commas be quoted has one
 */
export function list<T>(
  value: string,
  help: string,
  check: (parts: string[], issue: Issue) => T | undefined,
  split: (given: string) => string[] = atCommas,
  quote: (one: string) => string = String,
): OptionSpec<T> {
  const schema = z.array(z.string()).transform((given, context) => {
    const issue = (what: string) => {
      context.addIssue(what);
    };
    return check(given.flatMap(split), issue) ?? z.NEVER;
  });
  return { kind: 'list', value, help, schema, quote };
}

/** Of a list whose parts may have commas in them: it takes its flag several times, and nothing else. */
export function asTyped(given: string): string[] {
  return [given];
}

function atCommas(given: string): string[] {
  return given.split(',').map((part) => part.trim());
}

export function withDefault<T>(
  typed: string,
  spec: OptionSpec<T>,
): OptionSpec<T> & { default: string } {
  return { ...spec, default: typed };
}

export function secret<T>(spec: OptionSpec<T>): OptionSpec<T> {
  return { ...spec, secret: true };
}

/** @param place keys of a config file with dots between them: `audit.every` */
export function inFile<S extends object>(place: string, spec: S): S & { place: string } {
  return { ...spec, place };
}
