/** Prefixes as they are typed: lists, and prefixes that have a comma. */
import { expect } from 'chai';
import fc from 'fast-check';
import { parseOptions } from '../../src/config/parse.js';
import { quotePrefix, splitPrefixes } from '../../src/config/prefixlist.js';
import { LockstepError } from '../../src/errors.js';

describe('--prefix', () => {
  const prefixes = (...given: string[]) =>
    parseOptions({ prefix: given }, {}, ['prefix'], []).prefix.list;

  it('takes several with commas, several times, or both', () => {
    expect(prefixes('/a/,/b/')).to.deep.equal(['/a/', '/b/']);
    expect(prefixes('/a/, /b/', '/c/')).to.deep.equal(['/a/', '/b/', '/c/']);
    // A variable comes as one string.
    const { prefix } = parseOptions({}, { LOCKSTEP_PREFIX: '/a/,/b/' }, ['prefix'], []);
    expect(prefix.list).to.deep.equal(['/a/', '/b/']);
  });

  it('takes one that has a comma or a backslash', () => {
    expect(prefixes('/a\\,b/')).to.deep.equal(['/a,b/']);
    expect(prefixes('/a\\b/')).to.deep.equal(['/a\\b/']);
    expect(prefixes('/a\\\\,/b/')).to.deep.equal(['/a\\', '/b/']);
  });

  it('whatever the prefixes are: what is quoted is read as it was', () => {
    const prefix = fc
      .string({ unit: fc.constantFrom(',', '\\', ' ', '/', 'a', '💾') })
      .map((text) => `/${text}/`);
    fc.assert(
      fc.property(fc.array(prefix, { minLength: 1, maxLength: 4 }), (list) => {
        expect(splitPrefixes(list.map(quotePrefix).join(','))).to.deep.equal(list);
      }),
    );
  });

  for (const [what, given, says] of [
    ['an empty one', '/a/,', /empty prefix/],
    ['one that was not UTF-8', '/a/,/b\ufffd/', /--prefix .* not UTF-8/],
    ['one inside another', '/a/,/a/b/', /lies inside/],
  ] as const)
    it(`refuses ${what}`, () => {
      expect(() => prefixes(given)).to.throw(LockstepError, says);
    });

  it('--dest-prefix takes commas as they are, and nothing that was not UTF-8', () => {
    const dest = (destPrefix: string) =>
      parseOptions({ destPrefix: [destPrefix] }, {}, ['destPrefix'], []).destPrefix;
    expect(dest('/a,b/')).to.equal('/a,b/');
    expect(() => dest('/\ufffd/')).to.throw(LockstepError, /--dest-prefix .* not UTF-8/);
  });
});
