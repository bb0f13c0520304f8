/**
 * The config file of a migration: one for all its commands, of which each takes what it knows. Or of
 * several, which have a part in common (migrations.ts).
 *
 *     text ─► YAML nodes ─► for each key its option in the table ─► what that was given, as if typed
 *
 * A value goes the way of a typed one from here on (parse.ts): same types, same checks. So this knows no
 * option, only the table. All that is wrong is told at once, each with its line. It depends on nothing
 * but its arguments.
 *
 * What stands in the file may be a secret, also where it is wrong. So no text of a value goes into a
 * message, nor does the YAML library's own excerpt, and of its messages only the part without any text.
 *
 * Nodes are walked instead of made into an object: they have lines, and a number is still what was typed
 * (`0123`). Nothing is followed deeper than the table is, and a list holds no lists: an alias of aliases
 * of aliases is a wrong value, and never unfolded.
 */
import { dirname, isAbsolute, join } from 'node:path';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import { LockstepError } from '../errors.js';
import type { OptionSpec } from './kinds.js';
import { OPTIONS, type OptionName } from './options.js';
import { MIGRATIONS, nearest, PLACES, SECTIONS } from './places.js';
import { substitute } from './substitute.js';

/** What one option was given. */
export interface FileValue {
  /** As it would be typed; a list's parts one by one. Paths are the file's folder's. */
  given: readonly string[];
  /** As it may be shown: variables are not filled in. */
  shown: readonly string[];
  /** From 1. */
  line: number;
  /** Its key: `source.endpoints`, `migrations.pods.journal`. */
  place: string;
  /** What is wrong with it where it counts: a variable that only another migration needs is not missed. */
  fault?: string;
}

export type FileValues = ReadonlyMap<OptionName, FileValue>;

/** A file that is in order; what its values are worth is not looked at yet. */
export interface ConfigFile {
  /** As it was named. */
  path: string;
  /** Of its bytes, hexadecimal. */
  sha256: string;
  /** Of the migration that it is for; what all of them share, as long as none was chosen. */
  values: FileValues;
  /** What each of its migrations has for itself; none where the file is one migration. */
  migrations: ReadonlyMap<string, FileValues>;
  /** The one that was chosen. */
  migration?: string;
}

/** As a shell takes it without quotes. */
const MIGRATION_NAME = /^[A-Za-z0-9][\w.-]*$/;

/** More than any list of anchors that a person writes; each costs a walk through the file. */
const MAX_ALIASES = 100;

/**
 * @param path as it was named: for messages, and what relative paths in it are relative to
 * @throws LockstepError BAD_CONFIG that has all that is wrong, with lines
 */
export function parseConfig(
  text: string,
  path: string,
  environment: NodeJS.ProcessEnv,
): Pick<ConfigFile, 'values' | 'migrations'> {
  const reader = new Reader(path, environment);
  reader.read(text);
  if (reader.faults.length > 0) throw badConfig(reader.faults.join('\n  '));
  const { values, migrations } = reader;
  return { values, migrations };
}

export function badConfig(message: string, cause?: unknown): LockstepError {
  return new LockstepError('BAD_CONFIG', message, {
    hint: 'Mend the config file; docs/reference.md has its keys, and `etcd-lockstep config check` looks at all of it.',
    cause,
  });
}

/** Where in the file a key is looked at: in what all share, or in one migration. */
interface Part {
  values: Map<OptionName, FileValue>;
  /** In front of its keys: `migrations.pods.` */
  within: string;
}

class Reader {
  readonly values = new Map<OptionName, FileValue>();
  readonly migrations = new Map<string, Map<OptionName, FileValue>>();
  readonly faults: string[] = [];
  readonly #lines = new LineCounter();
  #document: Document | undefined;

  constructor(
    private readonly path: string,
    private readonly environment: NodeJS.ProcessEnv,
  ) {}

  read(text: string): void {
    const document = this.#parse(text);
    if (!document || this.faults.length > 0) return;
    this.#document = document;
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null))
      this.faults.push(`${this.path} is empty`);
    else if (isMap(contents)) this.#section(contents, '', { values: this.values, within: '' });
    else this.#fault(contents, 'no config file: it begins with keys, such as source: and target:');
  }

  #parse(text: string): Document | undefined {
    const { path } = this;
    try {
      const document = parseDocument(text, {
        ...{ lineCounter: this.#lines, prettyErrors: false, strict: true, logLevel: 'error' },
      });
      let aliases = 0;
      visit(document, {
        Alias: () => {
          aliases++;
        },
      });
      if (aliases > MAX_ALIASES) this.faults.push(`${path} has more than ${MAX_ALIASES} aliases`);
      const wrong = [...document.errors, ...document.warnings];
      const twice = wrong.filter(({ code }) => code === 'DUPLICATE_KEY');
      for (const { pos } of twice) this.#faultAt(pos[0], 'the key is there twice');
      // The first one makes the others.
      const first = wrong.find((one) => !twice.includes(one));
      if (first) this.#faultAt(first.pos[0], noYaml(first, text));
      return document;
    } catch (error) {
      // What is nested thousands of times over.
      if (!(error instanceof RangeError)) throw error;
      this.faults.push(`${path} is nested too deeply`);
      return undefined;
    }
  }

  /** @param at its path within the part; empty: all of that */
  #section({ items }: YAMLMap, at: string, part: Part): void {
    for (const { key, value } of items) {
      if (!isWord(key)) {
        this.#fault(key, 'a key must be a word');
        continue;
      }
      const path = at === '' ? key.value : `${at}.${key.value}`;
      const name = PLACES.get(path);
      const node = this.#resolved(value);
      const place = part.within + path;
      if (name !== undefined) this.#option(name, part, { place, key, node });
      else if (place === MIGRATIONS) this.#migrations(key, node);
      else if (!SECTIONS.has(path)) this.#fault(key, noSuchKey(path, part.within));
      // One whose keys are all commented out has nothing below it.
      else if (isMap(node)) this.#section(node, path, part);
      else if (!isEmpty(node)) this.#fault(key, mustBeBelow(place));
    }
  }

  #migrations(at: Scalar, node: unknown): void {
    if (!isMap(node)) {
      if (!isEmpty(node)) this.#fault(at, mustBeBelow(MIGRATIONS));
      return;
    }
    for (const { key, value } of node.items) {
      if (!isWord(key) || !MIGRATION_NAME.test(key.value)) {
        this.#fault(key, 'a migration must have a name of letters, digits, dots and dashes');
        continue;
      }
      const within = `${MIGRATIONS}.${key.value}`;
      const values = new Map<OptionName, FileValue>();
      this.migrations.set(key.value, values);
      const own = this.#resolved(value);
      if (isMap(own)) this.#section(own, '', { values, within: `${within}.` });
      else if (!isEmpty(own)) this.#fault(key, mustBeBelow(within));
    }
  }

  #option(
    name: OptionName,
    { values, within }: Part,
    { place, key, node }: { place: string; key: Scalar; node: unknown },
  ): void {
    const { kind, quote = String, choices = [] }: OptionSpec<unknown> = OPTIONS[name];
    const isList = kind === 'list' && isSeq(node);
    const written = this.#written(place, key, isList ? node.items : [node], kind === 'list');
    const faults: string[] = [];
    const filled = written.map((text) =>
      substitute(text, this.environment, (what) => {
        faults.push(this.#at(key.range?.[0] ?? 0, `${place}: ${what}`));
      }),
    );
    if (within === '') this.#tell(faults);
    const isPath = kind === 'file' || kind === 'folder';
    const typed = (text: string) => {
      if (!isPath || choices.includes(text)) return isList ? quote(text) : text;
      const path = this.#besideFile(text);
      // What was `./snapshot` is still no word.
      return choices.includes(path) ? `./${path}` : path;
    };
    const given = filled.map(({ text }) => typed(text));
    values.set(name, {
      given,
      shown: filled.map(({ filled: isFilled }, i) => (isFilled ? written[i] : given[i]) ?? ''),
      line: this.#lines.linePos(key.range?.[0] ?? 0).line,
      place,
      ...(faults.length > 0 ? { fault: faults.join('\n  ') } : {}),
    });
  }

  /** The texts of its values; none where one of them is wrong, which is told. */
  #written(place: string, key: Scalar, nodes: readonly unknown[], mayBeList: boolean): string[] {
    const texts = nodes.map((node) => textOf(this.#resolved(node)));
    const shape = mayBeList ? 'a value or a list of values' : 'one value';
    if (texts.includes(undefined)) this.#fault(key, `${place}: must be ${shape}`);
    else if (texts.length === 0 || texts.includes(null))
      this.#fault(key, `${place}: has no value; leave the key out where there is none`);
    return texts.filter((text) => typeof text === 'string');
  }

  /** Where a service runs is seldom where its file lies. */
  #besideFile(path: string): string {
    return path === '' || isAbsolute(path) ? path : join(dirname(this.path), path);
  }

  /** What an alias stands for. */
  #resolved(node: unknown): unknown {
    if (!isAlias(node) || !this.#document) return node;
    const found = node.resolve(this.#document);
    if (!found) this.#fault(node, 'an alias (*…) of what is named nowhere; in quotes it is a text');
    return found;
  }

  #fault(node: unknown, what: string): void {
    this.#faultAt((node as Node | null)?.range?.[0] ?? 0, what);
  }

  #faultAt(offset: number, what: string): void {
    this.#tell([this.#at(offset, what)]);
  }

  #at(offset: number, what: string): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.path}:${line}:${col}: ${what}`;
  }

  #tell(faults: readonly string[]): void {
    this.faults.push(...new Set(faults.filter((one) => !this.faults.includes(one))));
  }
}

/**
 * As it was typed: `0123` is no 83, and `1e3` no 1000.
 * @returns null: there is nothing; undefined: it is more than one value
 */
function textOf(node: unknown): string | null | undefined {
  if (isEmpty(node)) return null;
  if (!isScalar(node)) return undefined;
  const { value, source } = node;
  return typeof value === 'string' ? value : (source ?? String(value));
}

function isEmpty(node: unknown): boolean {
  return node === null || node === undefined || (isScalar(node) && node.value === null);
}

function isWord(key: unknown): key is Scalar<string> {
  return isScalar(key) && typeof key.value === 'string';
}

/** One that is like no key at all may be a secret that got there. */
function noSuchKey(path: string, within: string): string {
  const meant = nearest(path);
  if (meant === undefined || (within !== '' && meant === MIGRATIONS)) return 'no such key';
  return `${within}${path}: no such key; the nearest is ${within}${meant}`;
}

function mustBeBelow(place: string): string {
  return `${place}: its keys must stand below it, indented`;
}

/** Behind a colon, and in quotes, the library shows what it has read. */
function noYaml({ message, pos: [at] }: YAMLError, text: string): string {
  const what = message.replace(/(:| sequence \\|  |").*$/s, '').trim();
  // The commonest slip: `{password: ${NAME}}`, where the first brace that closes is the variable's.
  const isVariable = text.slice(0, at + 1).endsWith('${');
  return `no YAML: ${what}${isVariable ? '; between braces and brackets a ${NAME} needs quotes' : ''}`;
}
