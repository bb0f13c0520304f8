/** docs/config.schema.json is the table of options; another implementation takes with it what the parser takes. */
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { parse } from 'yaml';
import { writtenConfig } from '../../src/cli/writtenconfig.js';
import { parseConfig } from '../../src/config/configfile.js';
import { MIGRATIONS, PLACES, SECTIONS } from '../../src/config/places.js';
import type { Plan } from '../../src/plan/plan.js';
import { blocksOf, PAGES } from '../docs/pages.js';
import { configSchema } from './configschema.js';

const validate = new Ajv({ strict: false }).compile(configSchema());

/** Both agree. */
function isRight(text: string): boolean {
  const right = validate(parse(text));
  try {
    parseConfig(text, 'pods.yaml', {});
  } catch {
    expect(right, text).to.equal(false);
    return false;
  }
  expect(right, `${text}${JSON.stringify(validate.errors)}`).to.equal(true);
  return true;
}

describe('docs/config.schema.json', () => {
  const path = new URL('../../docs/config.schema.json', import.meta.url);

  it('is what the table says; SCHEMA=1 writes it', async () => {
    if (process.env['SCHEMA'] === '1') {
      const config = (await resolveConfig(path)) ?? {};
      writeFileSync(
        path,
        await format(JSON.stringify(configSchema()), { ...config, parser: 'json' }),
      );
    }
    expect(JSON.parse(readFileSync(path, 'utf8'))).to.deep.equal(
      JSON.parse(JSON.stringify(configSchema())),
    );
  });

  it('has every place, and each is described', () => {
    const { properties } = configSchema() as {
      properties: Record<string, { properties?: object; description?: string }>;
    };
    const places = Object.entries(properties).flatMap(([key, { properties: below }]) =>
      below ? Object.keys(below).map((inner) => `${key}.${inner}`) : [key],
    );
    expect(places.sort()).to.deep.equal([...PLACES.keys(), MIGRATIONS].sort());
    for (const section of SECTIONS) expect(properties).to.have.property(section);
  });

  it('finds the files right that the pages show', () => {
    const shown = PAGES.flatMap(blocksOf).filter(({ language }) => language === 'yaml');
    expect(shown.length).to.be.greaterThan(0);
    for (const { page, line, text } of shown)
      expect(isRight(text), `${page}:${line}`).to.equal(true);
  });

  it('and the file that plan writes; no secret is in it, and ${ in a value is only text', () => {
    const plan = {
      prefixes: ['/registry/pods/'],
      folders: [{ way: 'lockstep', resource: '/pods' }],
      estimates: { fenceMargin: 1234 },
    } as unknown as Plan;
    const access = {
      ...{ endpoints: ['https://a:1', 'https://b:2'], cacert: '/etc/${HOME}/ca.pem' },
      ...{ user: 'root:hunter2', destUser: 'anna', destPassword: 'hunter3' },
    };
    for (const options of [access, { ...access, destEndpoints: ['http://c:3'] }]) {
      const { text, fromFile } = writtenConfig('x/pods.yaml', plan, options);
      expect(text).to.match(/^# yaml-language-server: \$schema=\/.*docs\/config\.schema\.json\n/);
      expect(text).not.to.match(/hunter\d/);
      const env = { LOCKSTEP_PASSWORD: 'p', LOCKSTEP_DEST_PASSWORD: 'q' };
      expect(validate(parse(text)), JSON.stringify(validate.errors)).to.equal(true);
      const { values } = parseConfig(text, 'x/pods.yaml', env);
      expect(new Set(values.keys())).to.deep.equal(fromFile.names);
      expect(values.get('user')?.given).to.deep.equal(['root']);
      expect(values.get('password')?.given).to.deep.equal(['p']);
      expect(values.get('cacert')?.given).to.deep.equal(['/etc/${HOME}/ca.pem']);
      expect(values.get('journal')?.given).to.deep.equal(['x/pods.journal']);
      expect(values.get('margin')?.given).to.deep.equal(['1234']);
      // Each comment that is a key is one that may be uncommented.
      const whole = text.replaceAll(/^( *)# ((?:\w+:.*)|(?: {2}- .*))$/gm, '$1$2');
      expect(parseConfig(whole, 'x/pods.yaml', env).values.size).to.be.greaterThan(values.size + 4);
    }
  });

  for (const [right, text] of [
    [true, 'journal: 1\naudit: {every: 3600, history: false}\ncutover:\n'],
    [true, 'output: {format: json, logLevel: "${L}x"}'.replace('${L}x', 'warn')],
    [true, 'source: {endpoints: [http://a:1]}\n'],
    [
      true,
      'journal: a\nmigrations: {pods: {journal: b, target: {endpoints: "http://a:1"}}, l: }\n',
    ],
    [true, 'migrations:\n'],
    [false, 'migrations: {"a b": {journal: b}}\n'],
    [false, 'migrations: {pods: {journals: b}}\n'],
    [false, 'migrations: {pods: {migrations: {a: {journal: b}}}}\n'],
    [false, 'migrations: {pods: 1}\n'],
    [false, 'migrations: [pods]\n'],
    [false, 'sources: {endpoints: [http://a:1]}\n'],
    [false, 'source: {endpoint: [http://a:1]}\n'],
    [false, 'source: {endpoints: {a: b}}\n'],
    [false, 'source: {endpoints: []}\n'],
    [false, 'source: http://a:1\n'],
    [false, 'journal: [a, b]\n'],
    [false, 'yes: true\n'],
  ] as const)
    it(`${right ? 'right' : 'wrong'}: ${text.trim()}`, () => {
      expect(isRight(text)).to.equal(right);
    });
});
