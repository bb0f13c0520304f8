/** The document of a report: escaped, of one form, and whole or not. */
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import fc from 'fast-check';
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { z } from 'zod';
import { commandLine } from '../../src/cli/commandline.js';
import { ownVersion } from '../../src/ownversion.js';
import { canonical, sha256, type Json } from '../../src/report/canonical.js';
import { htmlOf, jsonOf } from '../../src/report/document.js';
import { reportDocument } from '../../src/report/forms.js';
import { JSON_BEGINS, JSON_ENDS } from '../../src/report/frame.js';
import { verify } from '../../src/report/verify.js';
import { BESIDE, DIFFERENT, EQUAL, MIRROR, ODD_KEYS } from './facts.js';

const ALL = [EQUAL, DIFFERENT, MIRROR, BESIDE];
const FILES = ALL.flatMap((facts) =>
  [jsonOf(facts), htmlOf(facts)].map((text) => Buffer.from(text)),
);

describe('canonical JSON', () => {
  it('is that of RFC 8785', () => {
    // Its own example of order, 3.2.3.
    const names = {
      '\u20ac': 1,
      '\r': 2,
      '\ufb33': 3,
      '1': 4,
      '\ud83d\ude00': 5,
      '\u0080': 6,
      '\u00f6': 7,
    };
    expect(canonical(names)).to.equal(
      '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
    );
    expect(canonical([56.0, 1e30, 4.5, 0.002, -0])).to.equal('[56,1e+30,4.5,0.002,0]');
  });

  it('does not depend on the order in which facts were put down, and is what it says', () => {
    const value = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<Json>;
    fc.assert(
      fc.property(fc.dictionary(fc.string(), value), (facts) => {
        const turned = Object.fromEntries(Object.entries(facts).reverse());
        expect(canonical(turned)).to.equal(canonical(facts));
        expect(JSON.parse(canonical(facts))).to.deep.equal(JSON.parse(JSON.stringify(facts)));
      }),
      { numRuns: 200 },
    );
  });
});

describe('the report as a page', () => {
  const page = htmlOf(DIFFERENT);

  it('names of keys are text in it, whatever they hold', () => {
    expect(page.match(/<script/g)).to.have.length(2);
    expect(page.match(/<\/script/g)).to.have.length(2);
    expect(page).not.to.match(/[\u0000\r\u2028\u2029\u202e]/);
    expect(page).to.contain(String.raw`/registry/pods/a/\u{202e}\u{3164}gnp.exe`);
    expect(page).to.contain('&quot;onload=&quot;x&amp;amp;');
    expect(page).to.contain('base64 <code>Yf8=</code>');
  });

  it('beside a follower: what was different for a while is not called the same, and is text, too', () => {
    const beside = htmlOf(BESIDE);
    expect(beside).to.contain('every key under /registry/pods/ but 7 is the same on both sides');
    expect(beside).to.contain('7 keys were different for a while');
    expect(beside.match(/<script/g)).to.have.length(2);
    expect(beside).not.to.match(/[\u0000\r\u2028\u2029\u202e]/);
  });

  it('carries its JSON, which says the same', () => {
    const from = page.indexOf(JSON_BEGINS) + JSON_BEGINS.length;
    const json = page.slice(from, page.indexOf(JSON_ENDS, from));
    const { facts } = reportDocument.parse(JSON.parse(json));
    expect(facts).to.deep.equal(DIFFERENT);
    expect(DIFFERENT.differences.listed.map(({ key }) => key)).to.deep.equal(ODD_KEYS);
  });

  it('says what matters', () => {
    const equal = htmlOf(EQUAL);
    for (const text of ['EQUAL', '2026-11-29 13:19:20 +01:00', 'Europe/Berlin', 'ops-1', 'anna'])
      expect(equal).to.contain(text);
    expect(equal).to.contain('every event above revision 4210 up to 6182: 1,644 on the source');
    expect(equal).to.contain(sha256(canonical(EQUAL)));
    expect(htmlOf(MIRROR)).to.contain('2 keys of the target are foreign');
  });
});

describe('audit verify', () => {
  it('whole, as page and as JSON', () => {
    for (const file of FILES) expect(verify(file, ownVersion())).to.include({ whole: true });
  });

  it('finds a byte that was changed, anywhere', () => {
    const change = fc.tuple(
      fc.constantFrom(...FILES),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      fc.integer({ min: 1, max: 255 }),
    );
    fc.assert(
      fc.property(change, ([file, where, by]) => {
        const changed = Buffer.from(file);
        const at = Math.floor(where * file.length);
        changed[at] = (changed[at] ?? 0) ^ by;
        const { whole, faults } = verify(changed, ownVersion());
        expect({ whole, none: faults.length === 0 }).to.deep.equal({ whole: false, none: false });
      }),
      { numRuns: 300 },
    );
  });

  it('finds what was cut off, or added', () => {
    for (const file of FILES)
      for (const other of [file.subarray(0, -1), Buffer.concat([file, Buffer.from('\n')])])
        expect(verify(other, ownVersion())).to.include({ whole: false });
  });

  it('of another version the facts alone are checked, and it says so', () => {
    const file = Buffer.from(htmlOf(EQUAL));
    expect(verify(file, '9.9.9')).to.include({ whole: null, page: 'not compared' });
    const forged = Buffer.from(htmlOf(EQUAL).replace('"keys":2310', '"keys":2311'));
    expect(verify(forged, '9.9.9')).to.include({ whole: false });
    // The form of JSON depends on no version.
    const json = Buffer.from(`${jsonOf(EQUAL)} `);
    expect(verify(json, '9.9.9')).to.include({ whole: false });
  });

  it('a page that shows something else than its facts', () => {
    const file = Buffer.from(htmlOf(DIFFERENT).replace('<strong>DIFFERENT', '<strong>EQUAL'));
    const { whole, page, faults } = verify(file, ownVersion());
    expect({ whole, page }).to.deep.equal({ whole: false, page: 'differs' });
    expect(faults).to.have.length(1);
  });

  it('what is no report at all', () => {
    for (const text of ['', '{}', '[]', 'null', '<html>', '{"sha256":"","facts":{"format":"x"}}'])
      expect(verify(Buffer.from(text), ownVersion())).to.include({ whole: false, format: null });
  });
});

describe('docs/report.schema.json', () => {
  const path = new URL('../../docs/report.schema.json', import.meta.url);
  const schema = {
    title: 'A report of etcd-lockstep',
    description: 'docs/report.md says what it means. Made of src/report/forms.ts.',
    ...z.toJSONSchema(reportDocument),
  };

  it('is what the code asks for; SCHEMA=1 writes it', async () => {
    if (process.env['SCHEMA'] === '1') {
      const config = (await resolveConfig(path)) ?? {};
      writeFileSync(path, await format(JSON.stringify(schema), { ...config, parser: 'json' }));
    }
    expect(JSON.parse(readFileSync(path, 'utf8'))).to.deep.equal(
      JSON.parse(JSON.stringify(schema)),
    );
  });

  it('another implementation finds reports right, and others wrong', () => {
    const validate = new Ajv2020({ strict: false, validateFormats: false }).compile(schema);
    for (const facts of ALL)
      expect(validate(JSON.parse(jsonOf(facts))), JSON.stringify(validate.errors)).to.equal(true);
    const { audit, ...rest } = EQUAL;
    const { cursor: _, ...without } = audit;
    expect(validate({ sha256: '0'.repeat(64), facts: { ...rest, audit: without } })).to.equal(
      false,
    );
  });
});

describe('the command that a report names', () => {
  it('has no secrets', () => {
    const shown = commandLine('audit', [
      ...[
        '-w',
        'json',
        'audit',
        '--user',
        'root:hunter2',
        '--dest-user=anna:hun:ter2',
        '--history',
      ],
      ...[
        '--password',
        'hunter2',
        '--dest-password=hunter2',
        '--endpoints',
        'http://a:hunter2@b:1',
      ],
      ...['--prefix', '/registry/pods/', '--report', 'a b.html'],
    ]);
    expect(shown).not.to.contain('hunter2').and.not.to.contain('ter2');
    expect(shown).to.equal(
      "etcd-lockstep audit --write-out=json '--user=root:…' '--dest-user=anna:…' --history '--password=…' '--dest-password=…' '--endpoints=http://…@b:1' --prefix=/registry/pods/ '--report=a b.html'",
    );
  });
});
