/** docs/reference.md says what the commands print: every field, flag, variable and code is in it. */
import { expect } from 'chai';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { OptionSpec } from '../../src/config/kinds.js';
import { flagOf, OPTIONS, variableOf, type OptionName } from '../../src/config/options.js';
import { PLACES } from '../../src/config/places.js';
import { PAGES } from '../docs/pages.js';
import { EVENT_VARIABLE } from '../../src/hooks/events.js';
import * as contract from './contract.js';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const text = read('docs/reference.md');
const TESTS = fileURLToPath(new URL('../', import.meta.url));

/** The part under a heading, up to the next one. */
function section(name: string): string {
  const found = text.split(/^## /m).find((part) => part.startsWith(`${name}\n`));
  if (!found) throw new Error(`docs/reference.md has no section "${name}"`);
  return found;
}

/** All names of fields in a schema, however deep; unions and lists are looked into. */
function fieldNames(schema: z.ZodType): string[] {
  if (schema instanceof z.ZodObject) {
    const shape = schema.shape as Record<string, z.ZodType>;
    return Object.entries(shape).flatMap(([name, inner]) => [name, ...fieldNames(inner)]);
  }
  if (schema instanceof z.ZodArray) return fieldNames(schema.element as z.ZodType);
  if (schema instanceof z.ZodNullable || schema instanceof z.ZodOptional)
    return fieldNames(schema.unwrap() as z.ZodType);
  return [];
}

const CONTRACTS: Record<string, z.ZodType[]> = {
  plan: [contract.plan],
  seed: [contract.seed],
  crop: [contract.crop],
  follow: [contract.follow],
  'follow --reverse': [contract.reverse],
  audit: [
    ...[contract.auditDifference, contract.auditReport, contract.valuesReport],
    contract.auditVerify,
  ],
  mirror: [contract.mirror, contract.mirrorForeignKey],
  freeze: [contract.freeze, contract.freezeProbe],
  cutover: [contract.step, contract.alarm, contract.cutover],
  rollback: [contract.rollback],
  retire: [contract.retire],
  config: [contract.configCheck, contract.configGet],
  Events: Object.values(contract.hookEvents),
  'The cursor': [contract.cursor],
  'The state of a cutover': [contract.cutoverState, contract.owner],
  "A mirror's cursor": [contract.mirrorCursor],
};

describe('docs/reference.md', () => {
  for (const [name, schemas] of Object.entries(CONTRACTS))
    it(`${name}: names every field`, () => {
      const names = schemas.flatMap(fieldNames);
      expect(names.length).to.be.greaterThan(8);
      const wrapped = [
        ...['difference', 'report', 'verify', 'probe', 'alarm', 'cutover', 'rollback', 'retire'],
        'config',
      ];
      for (const field of names.filter((f) => !wrapped.includes(f)))
        expect(section(name), field).to.contain(`\`${field}\``);
    });

  it('status: names every field', () => {
    for (const field of Object.keys(contract.status.shape))
      expect(section('status')).to.contain(`\`${field}\``);
  });

  it('names every flag and its default, and no others', () => {
    const names = Object.keys(OPTIONS) as OptionName[];
    const rows = text.split('\n').filter((line) => line.startsWith('| `-'));
    const flags = rows.flatMap((row) => [...row.split('|')[1]!.matchAll(/`(--[a-z-]+)`/g)]);
    expect(flags.map((match) => match[1]!).sort()).to.deep.equal(names.map(flagOf).sort());
    for (const name of names) {
      const { default: value }: OptionSpec<unknown> = OPTIONS[name];
      const row = rows.find((line) => line.includes(`\`${flagOf(name)}\``))!;
      if (value !== undefined) expect(row, name).to.contain(value).and.contain('default');
    }
  });

  it('has the key of each option in a config file, and no others', () => {
    const rows = [...text.matchAll(/^\| `([\w.]+)` +\| `(--[\w-]+)` +\|$/gm)];
    const told = rows.map(([, place, flag]) => [place, flag]);
    const ours = [...PLACES].map(([place, name]) => [place, flagOf(name)]);
    expect(told.sort()).to.deep.equal(ours.sort());
  });

  it('names no variable that there is not, on any page', () => {
    const known = [...(Object.keys(OPTIONS) as OptionName[]).map(variableOf), EVENT_VARIABLE];
    for (const page of PAGES)
      for (const [variable] of read(page).matchAll(/\b\w*LOCKSTEP_\w+/g))
        expect(known, page).to.include(variable);
  });
});

/** Tests that the tables of a page name: `crash/follow`. */
function testsIn(page: string): string[] {
  const rows = read(page)
    .split('\n')
    .filter((line) => line.startsWith('|'));
  return rows.flatMap((row) => row.match(/\b[a-z]+\/[a-z]+(?= *[,|])/g) ?? []);
}

const isThere = (name: string) =>
  ['.test.ts', '.etcd.test.ts'].some((end) => existsSync(`${TESTS}${name}${end}`));

describe('docs/what-if.md', () => {
  it('names tests that are there, and every file of faults, crash and repair', () => {
    const named = testsIn('docs/what-if.md');
    expect(named.filter((name) => !isThere(name))).to.deep.equal([]);
    for (const folder of ['faults', 'crash', 'repair'])
      for (const file of readdirSync(TESTS + folder).filter((name) =>
        name.endsWith('.etcd.test.ts'),
      ))
        expect(named).to.include(`${folder}/${file.replace('.etcd.test.ts', '')}`);
  });
});

describe('docs/proofs.md', () => {
  it('names tests that are there, one in each row, and every file of cutover', () => {
    const named = testsIn('docs/proofs.md');
    expect(named.filter((name) => !isThere(name))).to.deep.equal([]);
    const files = readdirSync(`${TESTS}cutover`).filter((name) => name.endsWith('.etcd.test.ts'));
    for (const file of files)
      expect(named).to.include(`cutover/${file.replace('.etcd.test.ts', '')}`);
    const rows = read('docs/proofs.md')
      .split('\n')
      .filter((line) => line.startsWith('| ') && !/^\| (step|-)/.test(line));
    expect(rows.filter((row) => !/ [a-z]+\/[a-z]+ *\|$/.test(row))).to.deep.equal([]);
  });
});
