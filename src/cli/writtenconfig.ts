/**
 * The config file that a plan writes: what is known, and as comments what has to be told before the night.
 *
 * It holds no secret. A password that was given is written as the variable that it can be in; one that
 * was not given is asked for by each command, as before. Paths of certificates are made absolute: those
 * that were typed are relative to where plan ran, those in the file to the file.
 */
import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { SOURCE_ACCESS, TARGET_ACCESS } from '../config/access.js';
import type { OptionSpec } from '../config/kinds.js';
import { OPTIONS, placeOf, variableOf, type OptionName } from '../config/options.js';
import type { FromFile } from '../config/parse.js';
import { etcdOf, type Part } from '../plan/parts.js';
import type { Plan } from '../plan/plan.js';
import { filesOf, movedResources, placeholder } from './plansteps.js';
import type { Again } from './typed.js';

type Value = string | number | readonly string[];

interface Entry {
  name: OptionName;
  value: Value | undefined;
  /** What stands there as a comment where there is no value. */
  example?: Value;
}

interface WrittenConfig {
  text: string;
  /** What commands that are given it know from then on. */
  fromFile: Pick<FromFile, 'path' | 'names'>;
}

/** @param path that it will have */
export function writtenConfig(path: string, plan: Plan, options: Again): WrittenConfig {
  const entries = entriesOf(plan, options);
  return {
    text: [...head(path), ...sectionsOf(entries), ''].join('\n'),
    fromFile: { path, names: namesOf(entries) },
  };
}

/** Of a split: what all parts share, and a migration for each that is copied. */
export function writtenSplit(
  path: string,
  plan: Plan & { parts: readonly Part[] },
  options: Again,
): WrittenConfig {
  const given = (name: OptionName): Entry => ({ name, value: valueOf(name, options) });
  const common = [
    ...[given('endpoints'), ...SOURCE_ACCESS.map(given)],
    ...KUBE,
    {
      ...({ name: 'oldApiservers', value: undefined } as const),
      example: ['https://OLD-1:6443', 'https://OLD-2:6443'],
    },
    { name: 'flipHook', value: undefined, example: '/etc/etcd-lockstep/flip.sh' } as const,
    { name: 'margin', value: plan.estimates.fenceMargin } as const,
  ];
  const copied = plan.parts.filter(({ way }) => way !== 'configuration');
  const migrations = copied.flatMap((part, i) => [
    ...['', `  # ${part.way}: ${part.why}`, `  ${part.name}:`],
    ...sectionsOf(entriesOfPart(part, FIRST_PORT + i))
      .slice(1)
      .map((line) => (line === '' ? '' : `    ${line}`)),
  ]);
  const several = copied.length === 0 ? [] : ['', 'migrations:', ...migrations.slice(1)];
  return {
    text: [...head(path, copied[0]?.name), ...sectionsOf(common), ...several, ''].join('\n'),
    fromFile: { path, names: namesOf(common) },
  };
}

function namesOf(entries: readonly Entry[]): Set<OptionName> {
  return new Set(entries.filter(({ value }) => value !== undefined).map(({ name }) => name));
}

/** Each below its section, an empty line before that. */
function sectionsOf(entries: readonly Entry[]): string[] {
  const sections = new Map<string, Entry[]>();
  for (const entry of entries) {
    if (entry.value === undefined && entry.example === undefined) continue;
    const [section = '', key] = (placeOf(entry.name) ?? '').split('.');
    const at = key === undefined ? '' : section;
    sections.set(at, [...(sections.get(at) ?? []), entry]);
  }
  return [...sections].flatMap(([section, of]) => [
    '',
    ...(section === ''
      ? of.flatMap(linesOf)
      : [`${section}:`, ...of.flatMap(linesOf).map(indented)]),
  ]);
}

/** @param first of several migrations; undefined: the file is one */
function head(path: string, first?: string): string[] {
  const schema = schemaPath();
  const which = first === undefined ? '' : ` --migration ${first}`;
  return [
    ...(schema === undefined ? [] : [`# yaml-language-server: $schema=${schema}`]),
    first === undefined
      ? `# A migration, for every command: etcd-lockstep COMMAND -f ${basename(path)}`
      : `# Migrations of one source, for every command: etcd-lockstep COMMAND -f ${basename(path)}${which}`,
    `# etcd-lockstep config check -f ${basename(path)} says what each would use.`,
    '# Flags win over LOCKSTEP_… variables, and those over this file; relative paths are its folder’s.',
    '# In a value ${NAME} is what the variable NAME holds: so a password need not stand here.',
  ];
}

const KUBE: readonly Entry[] = [
  { name: 'kubeconfig', value: undefined, example: 'admin.conf' },
  {
    name: 'apiservers',
    value: undefined,
    example: ['https://APISERVER-1:6443', 'https://APISERVER-2:6443'],
  },
];

/** Where each shows how it goes: they may run on one machine. */
const FIRST_PORT = 2390;

function entriesOfPart(part: Part, port: number): Entry[] {
  const { name, way, folder, needsPeers } = part;
  const to: Entry = { name: 'destEndpoints', value: undefined, example: [etcdOf(part)] };
  const prefix: Entry = { name: 'prefix', value: [folder] };
  const listen: Entry = { name: 'listen', value: undefined, example: `127.0.0.1:${port}` };
  if (way !== 'lockstep') return [to, prefix, listen];
  return [
    to,
    // As a value only where it cannot do without: the port has to be reached from here.
    {
      name: 'destPeers',
      ...(needsPeers ? { value: 'members' } : { value: undefined }),
      example: 'members',
    },
    prefix,
    { name: 'journal', value: `${name}.journal` },
    { name: 'out', value: `${name}.db` },
    listen,
    { name: 'auditEvery', value: undefined, example: '1h' },
  ];
}

function entriesOf(plan: Plan, options: Again): Entry[] {
  const { journal, base } = filesOf(plan, options);
  const resources = movedResources(plan);
  const given = (name: OptionName): Entry => ({ name, value: valueOf(name, options) });
  return [
    given('endpoints'),
    ...SOURCE_ACCESS.map(given),
    { ...given('destEndpoints'), example: placeholder(plan) },
    ...TARGET_ACCESS.map(given),
    { ...given('destPeers'), example: 'members' },
    ...(['destPeerCacert', 'destPeerCert', 'destPeerKey'] as const).map(given),
    { name: 'prefix', value: plan.prefixes },
    { name: 'journal', value: besideFile(options.journal, journal) },
    { name: 'out', value: besideFile(options.out, base) },
    { name: 'listen', value: undefined, example: '127.0.0.1:2390' },
    { name: 'auditEvery', value: undefined, example: '1h' },
    ...(resources.length === 0 ? [] : nightOf(plan, resources)),
  ];
}

function nightOf({ estimates }: Plan, resources: readonly string[]): Entry[] {
  return [
    ...KUBE,
    { name: 'resource', value: resources },
    { name: 'switchHook', value: undefined, example: '/etc/etcd-lockstep/move.sh' },
    { name: 'margin', value: estimates.fenceMargin },
  ];
}

/** What is called after the prefixes lies beside the file; what was typed is where it was typed. */
function besideFile(typed: string | undefined, name: string): string {
  return typed === undefined ? name : resolve(typed);
}

function valueOf(name: OptionName, options: Again): Value | undefined {
  const value = options[name];
  const { kind }: OptionSpec<unknown> = OPTIONS[name];
  switch (name) {
    case 'user':
    case 'destUser':
      return hasInlinePassword(name, options) ? options[name]?.split(':')[0] : options[name];
    case 'password':
    case 'destPassword': {
      const user = name === 'password' ? 'user' : 'destUser';
      const isGiven = value !== undefined || hasInlinePassword(user, options);
      return isGiven ? `\${${variableOf(name)}}` : undefined;
    }
  }
  if (typeof value !== 'string') return value as readonly string[] | undefined;
  return kind === 'file' ? resolve(value) : value;
}

function hasInlinePassword(name: 'user' | 'destUser', options: Again): boolean {
  const [password, file] =
    name === 'user'
      ? [options.password, options.passwordFile]
      : [options.destPassword, options.destPasswordFile];
  const otherwise = password !== undefined || file !== undefined;
  return !otherwise && (options[name]?.includes(':') ?? false);
}

/** Its help above it, as the table has it. */
function linesOf({ name, value, example }: Entry): string[] {
  const key = placeOf(name)?.split('.').at(-1) ?? '';
  const isReference = name === 'password' || name === 'destPassword';
  const written = isReference ? value : literally(value ?? example ?? '');
  const lines = stringify({ [key]: written }, { lineWidth: 0 })
    .trimEnd()
    .split('\n');
  return [
    `# ${OPTIONS[name].help}`,
    ...(value === undefined ? lines.map((line) => `# ${line}`) : lines),
  ];
}

/** No variable is meant by it. */
function literally(value: Value): Value {
  if (typeof value === 'number') return value;
  const one = (text: string) => text.replaceAll('${', () => '$${');
  return typeof value === 'string' ? one(value) : value.map(one);
}

function indented(line: string): string {
  return `  ${line}`;
}

/** Editors look there for what a key means; undefined where the package's pages are not there. */
function schemaPath(): string | undefined {
  // One level up from src when run from sources, two from dist/src.
  const paths = ['../../', '../../../'].map((up) =>
    fileURLToPath(new URL(`${up}docs/config.schema.json`, import.meta.url)),
  );
  return paths.find((path) => existsSync(path));
}
