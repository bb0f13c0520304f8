/** The table of options: what it calls them, and one way to say a switch, a list, a time, a number. */
import { expect } from 'chai';
import {
  flagOf,
  OPTIONS,
  optionOf,
  variableOf,
  type OptionName,
} from '../../src/config/options.js';
import { parseOptions } from '../../src/config/parse.js';
import { LockstepError } from '../../src/errors.js';

const NAMES = Object.keys(OPTIONS) as OptionName[];

/** What an option means where it is typed so. */
function typed(name: OptionName, ...given: string[]): unknown {
  return parseOptions({ [name]: given }, {}, [], [name])[name];
}

/** Of lists that are none of addresses. */
const TWO: Partial<Record<OptionName, [string, string]>> = {
  resource: ['pods', 'events'],
  split: ['pods', 'leases'],
  report: ['a.html', 'a.json'],
};

describe('options', () => {
  it('flag and variable follow from the name; no variable is etcd’s', () => {
    expect(flagOf('untilRevision')).to.equal('--until-revision');
    expect(variableOf('destPasswordFile')).to.equal('LOCKSTEP_DEST_PASSWORD_FILE');
    for (const name of NAMES) {
      expect(flagOf(name)).to.match(/^--[a-z]+(-[a-z]+)*$/);
      expect(variableOf(name)).to.match(/^LOCKSTEP_/);
    }
  });

  it('what says how to reach a side is there for both, and says which', () => {
    for (const name of ['endpoints', 'cacert', 'cert', 'key', 'user'] as const) {
      const onTarget = optionOf('target', name);
      expect(OPTIONS[optionOf('source', name)].help).to.contain('source');
      expect(OPTIONS[onTarget].help).to.contain('target').and.not.contain('source');
      expect(flagOf(onTarget)).to.equal(`--dest-${name}`);
    }
  });

  for (const [given, means] of [
    ['500ms', 0.5],
    ['30s', 30],
    ['5m', 300],
    ['2h', 7200],
    ['1h30m', 5400],
    ['1.5s', 1.5],
    ['10', 10],
    ['0.5', 0.5],
  ] as const)
    it(`a time: ${given}`, () => {
      expect(typed('watch', given)).to.equal(means);
    });

  for (const given of ['', ' ', 'soon', '5 m', '-1s', '1d', '25h', '0x10', '1e3'])
    it(`no time: "${given}"`, () => {
      expect(() => typed('watch', given)).to.throw(LockstepError, /--watch .*such as 500ms/);
    });

  for (const [given, means] of [
    ['64KiB', 65_536],
    ['1.5MiB', 1_572_864],
    ['1GiB', 1_073_741_824],
    ['100000', 100_000],
  ] as const)
    it(`a size: ${given}`, () => {
      expect(typed('auditRate', given)).to.equal(means);
    });

  for (const given of ['', 'much', '4 MiB', '-1', '4MB', '63KiB', '2GiB', '0x10000', '1e6'])
    it(`no size: "${given}"`, () => {
      expect(() => typed('auditRate', given)).to.throw(LockstepError, /--audit-rate .*such as 512/);
    });

  for (const given of ['', '1,000', '1.5', '-3', '0x10', '1e3', '0', '99999999'])
    it(`no number for --margin: "${given}"`, () => {
      expect(() => typed('margin', given)).to.throw(LockstepError, /--margin .* from 1 to/);
    });

  it('a switch takes true and false, on the command line and in its variable', () => {
    expect(typed('history', 'true')).to.equal(true);
    expect(typed('history', 'false')).to.equal(false);
    expect(() => typed('history', 'maybe')).to.throw(LockstepError, /--history "maybe"/);
    const { yes } = parseOptions({}, { LOCKSTEP_YES: 'false' }, [], ['yes']);
    expect(yes).to.equal(false);
  });

  it('every list takes commas, and several flags; but for what may have commas in it', () => {
    const whole: OptionName[] = ['onEvent', 'webhook'];
    for (const name of whole) expect(typed(name, 'http://a/,b', 'http://c/')).to.have.lengthOf(2);
    const lists = NAMES.filter((name) => OPTIONS[name].kind === 'list' && !whole.includes(name));
    for (const name of lists) {
      const [a, b] = TWO[name] ?? ['http://a:1', 'http://b:2'];
      expect(typed(name, `${a},${b}`), name).to.deep.equal(typed(name, a, b));
    }
  });

  it('of what is no list the last one counts', () => {
    expect(typed('out', 'a.db', 'b.db')).to.equal('b.db');
  });

  it('a flag wins over its variable, and that over the default', () => {
    const sample = (given: string[], variable?: string) =>
      parseOptions(
        given.length > 0 ? { sample: given } : {},
        variable === undefined ? {} : { LOCKSTEP_SAMPLE: variable },
        [],
        ['sample'],
      ).sample;
    expect(sample([])).to.equal(10);
    expect(sample([], '20s')).to.equal(20);
    expect(sample(['30s'], '20s')).to.equal(30);
  });

  it('every default is one that the option takes', () => {
    parseOptions({}, {}, [], NAMES);
  });

  it('what is wrong is blamed on where it stands, and no secret is shown', () => {
    const user = () => parseOptions({}, { LOCKSTEP_DEST_PASSWORD: '' }, [], ['destPassword']);
    expect(user).to.throw(LockstepError, 'LOCKSTEP_DEST_PASSWORD (not shown): must not be empty');
    for (const given of ['http://root:hunter2@a:1', 'root:hunter2@a:1', 'a:1,root:hunter2@b:1']) {
      const url = () => typed('destEndpoints', given);
      expect(url).to.throw(LockstepError, /--dest-endpoints .*use --dest-user/);
      expect(url).not.to.throw(/hunter2/);
    }
  });

  it('what is missing is named; and that etcdctl’s variables do not count, where there are some', () => {
    const missing = (env: Record<string, string>) => {
      try {
        parseOptions({}, env, ['endpoints', 'journal'], []);
      } catch (error) {
        return error as LockstepError;
      }
      throw new Error('nothing is missing');
    };
    expect(missing({}).message).to.equal('--endpoints and --journal missing');
    expect(missing({}).hint).to.equal('Add --endpoints … --journal …');
    expect(missing({ ETCDCTL_ENDPOINTS: 'http://a:1' }).hint).to.contain('begin with LOCKSTEP_');
  });
});
