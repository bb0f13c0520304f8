/** The config file: what stands in it means what it would mean typed; what is wrong is told with its line, and no secret. */
import { expect } from 'chai';
import fc from 'fast-check';
import { parseConfig } from '../../src/config/configfile.js';
import { OPTIONS, placeOf, type OptionName } from '../../src/config/options.js';
import { parseOptions, type Typed } from '../../src/config/parse.js';
import { nearest, PLACES } from '../../src/config/places.js';
import { LockstepError } from '../../src/errors.js';

const NAMES = Object.keys(OPTIONS) as OptionName[];

/** What a file says, with what is typed and in the environment beside it. */
function options(text: string, typed: Typed = {}, env: Record<string, string> = {}) {
  const file = { path: 'a/pods.yaml', sha256: '0', ...parseConfig(text, 'a/pods.yaml', env) };
  return parseOptions(typed, env, [], NAMES, file);
}

function fault(text: string, env: Record<string, string> = {}): LockstepError {
  try {
    options(text, {}, env);
  } catch (error) {
    if (error instanceof LockstepError) return error;
    throw error;
  }
  throw new Error(`nothing is wrong with ${text}`);
}

describe('a config file', () => {
  it('one for all: values as they would be typed, paths beside it', () => {
    const { fromFile, ...given } = options(
      [
        '# a comment',
        'source:',
        '  endpoints: [http://a:1, http://b:2]',
        '  cacert: ca.pem',
        '  user: root',
        '  password: 0123',
        'target: # and another',
        '  endpoints: http://c:3,http://d:4',
        '  peers: members',
        'prefixes:',
        '  - /registry/a,b/',
        String.raw`  - /registry/c\d/`,
        'journal: /var/lib/pods.journal',
        'audit: {every: 3600, history: true}',
        'cutover: {margin: 2000}',
        'kubernetes:',
        'listen: 2390',
      ].join('\n'),
    );
    expect(given).to.deep.include({
      ...{ endpoints: ['http://a:1', 'http://b:2'], cacert: 'a/ca.pem' },
      ...{ user: 'root', password: '0123', destEndpoints: ['http://c:3', 'http://d:4'] },
      ...{ destPeers: 'members', journal: '/var/lib/pods.journal', auditEvery: 3600 },
      ...{ history: true, margin: 2000, listen: { host: '127.0.0.1', port: 2390 } },
    });
    expect([...(given.prefix?.list ?? [])].sort()).to.deep.equal([
      '/registry/a,b/',
      String.raw`/registry/c\d/`,
    ]);
    expect([...fromFile!.names]).to.include.members(['endpoints', 'margin', 'listen']);
  });

  it('of a word or a file: words stay what they are, a file lies beside it, also one that is called so', () => {
    const from = (text: string) => options(`seed: {from: ${text}}`).from;
    expect([from('range'), from('snapshot')]).to.deep.equal(['range', 'snapshot']);
    expect(from('night.db')).to.deep.equal({ file: 'a/night.db' });
    expect(from('/night.db')).to.deep.equal({ file: '/night.db' });
    expect(from('./range')).to.deep.equal({ file: 'a/range' });
    const { values } = parseConfig('seed: {from: ./range}', 'pods.yaml', {});
    expect(values.get('from')?.given).to.deep.equal(['./range']);
    expect(options('seed:', { from: ['./range'] }).from).to.deep.equal({ file: './range' });
  });

  it('a flag wins over a variable, that over the file, and that over the default', () => {
    const env = { LOCKSTEP_MARGIN: '3' };
    const file = 'cutover: {margin: 2}';
    expect(options('cutover:').margin).to.equal(1000);
    expect(options(file).margin).to.equal(2);
    expect(options(file, {}, env).margin).to.equal(3);
    expect(options(file, { margin: ['4'] }, env).margin).to.equal(4);
    expect([...options(file, {}, env).fromFile!.names]).to.deep.equal([]);
  });

  it('an option means the same in a file, on the command line and in its variable', () => {
    const typed: Typed = {
      ...{ auditEvery: ['90s'], auditRate: ['1.5MiB'], apiservers: ['10.0.0.1:6443'] },
      ...{ resource: ['pods,leases.coordination.k8s.io'], history: ['false'], from: ['snapshot'] },
    };
    for (const [name, [text = '']] of Object.entries(typed) as [OptionName, string[]][]) {
      const [section, key] = placeOf(name)!.split('.');
      const inFile = options(`${section}: {${key}: '${text}'}`)[name];
      expect(inFile).to.deep.equal(parseOptions({ [name]: [text] }, {}, [], [name])[name]);
    }
  });

  it('${NAME} is what the variable holds, once; $${ is ${', () => {
    const env = { HOST: '10.0.0.1', PASSWORD: 'a: ${HOST} # b' };
    const read = options(
      [
        'source: {endpoints: "http://${HOST}:2379", password: "${PASSWORD}"}',
        'kubernetes: {switchHook: "echo $APISERVER $${OVERRIDES}"}',
      ].join('\n'),
      {},
      env,
    );
    expect(read.endpoints).to.deep.equal(['http://10.0.0.1:2379']);
    expect(read.password).to.equal('a: ${HOST} # b');
    expect(read.switchHook).to.equal('echo $APISERVER ${OVERRIDES}');
  });

  it('an alias stands for what it names', () => {
    const read = options(
      'source: &both {cacert: /ca.pem}\ntarget: *both\njournal: &j /j\nbase: *j\n',
    );
    expect(read).to.deep.include({ cacert: '/ca.pem', destCacert: '/ca.pem', out: '/j' });
  });

  for (const [what, text, says] of [
    ['nothing', '', 'a/pods.yaml is empty'],
    ['comments alone', '# source:\n', 'a/pods.yaml is empty'],
    ['no keys', 'http://a:1\n', ':1:1: no config file'],
    ['a list', '- a\n', ':1:1: no config file'],
    [
      'an unknown key',
      'journal: a\nsorce:\n  x: 1\n',
      ':2:1: sorce: no such key; the nearest is source',
    ],
    [
      'one in a section',
      'source:\n  endpoint: a\n',
      ':2:3: source.endpoint: no such key; the nearest is source.endpoints',
    ],
    ['one of a flag', 'audit-every: 1h\n', 'the nearest is audit.every'],
    ['one that is like none', 'zzzzzz: 1\n', /:1:1: no such key$/],
    ['the option of a run', 'yes: true\n', ':1:1: no such key'],
    ['merging', '<<: {journal: a}\n', ':1:1: no such key'],
    ['a key twice', 'journal: a\njournal: b\n', ':2:1: the key is there twice'],
    ['a list for one value', 'journal: [a, b]\n', ':1:1: journal: must be one value'],
    [
      'keys for a value',
      'source: {endpoints: {a: b}}\n',
      'source.endpoints: must be a value or a list of values',
    ],
    ['a list in a list', 'prefixes: [[/a/]]\n', 'prefixes: must be a value or a list of values'],
    ['a value for a section', 'source: http://a:1\n', ':1:1: source: its keys must stand below it'],
    ['no value', 'journal:\n', ':1:1: journal: has no value'],
    ['an empty list', 'prefixes: []\n', 'prefixes: has no value'],
    ['a number for a key', '1: a\n', ':1:1: a key must be a word'],
    ['a tab', 'source:\n\tendpoints: a\n', ':2:1: no YAML: Tabs are not allowed as indentation'],
    ['two documents', 'journal: a\n---\nbase: b\n', 'no YAML:'],
    ['a tag', 'journal: !secret hunter2\n', ':1:10: no YAML: Unresolved tag'],
    [
      'a variable between braces',
      'source: {password: ${HUNTER}}\n',
      ':1:21: no YAML: Unexpected flow-map-start at node end; between braces and brackets a ${NAME} needs quotes',
    ],
    ['an alias of nothing', 'journal: *hunter2\n', ':1:10: an alias'],
    ['an alias of itself', 'source: &a\n  endpoints: *a\n', 'source.endpoints: must be'],
    [
      'a variable that is not set',
      'source:\n  password: a${NOT_SET}b\n',
      ':2:3: source.password: needs the variable NOT_SET, which is not set',
    ],
    ['half a variable', 'journal: ${A\n', 'journal: holds a ${'],
    ['no name of one', 'journal: ${A:-b}\n', 'journal: holds a ${'],
    [
      'a key of a migration',
      'migrations:\n  pods:\n    taget: {endpoints: a}\n',
      ':3:5: migrations.pods.taget: no such key; the nearest is migrations.pods.target',
    ],
    ['migrations misspelt', 'migration: {a: {}}\n', 'the nearest is migrations'],
    ['migrations in a migration', 'migrations: {a: {migrations: {}}}\n', /:1:18: no such key$/],
    ['a name with a blank', 'migrations: {a b: {}}\n', ':1:14: a migration must have a name'],
    ['a migration twice', 'migrations: {a: {}, a: {}}\n', ':1:21: the key is there twice'],
    [
      'a value for one',
      'migrations: {a: b}\n',
      ':1:14: migrations.a: its keys must stand below it',
    ],
    ['several at once', 'a: 1\njournal:\n', /:1:1: no such key\n.*:2:1: journal: /],
  ] as const)
    it(`${what}: is an error`, () => {
      const { code, message, hint, disposition } = fault(text);
      expect({ code, disposition }).to.deep.equal({ code: 'BAD_CONFIG', disposition: 'usage' });
      expect(message).to.match(says instanceof RegExp ? says : /./);
      if (typeof says === 'string') expect(message).to.contain(says);
      expect(message).not.to.contain('hunter2');
      expect(hint).to.contain('config check');
    });

  it('a wrong value is blamed on its line; a secret, or what came of a variable, is not shown', () => {
    const wrong = (text: string, env = {}) => fault(text, env).message;
    expect(wrong('source:\n  endpoints: a\n')).to.match(
      /^a\/pods\.yaml:2: source\.endpoints "a": has no port/,
    );
    expect(wrong('cutover: {margin: 1e3}')).to.contain('cutover.margin "1e3": must be a whole');
    expect(wrong('target: {password: ""}')).to.contain('target.password (not shown)');
    const env = { P: 'hunter2' };
    expect(wrong('target: {endpoints: "${P}"}', env)).to.contain('"${P}": has no port');
    expect(wrong('target: {endpoints: "http://x:${P}@a:1"}', env)).not.to.contain('hunter2');
    expect(wrong('target: {endpoints: "http://x:hunter2@a:1"}', env)).not.to.contain('hunter2');
  });

  it('what is missing is to be added to the file, too', () => {
    const file = { path: 'p.yaml', sha256: '', ...parseConfig('listen: 1', 'p.yaml', {}) };
    expect(() => parseOptions({}, {}, ['endpoints'], [], file))
      .to.throw(LockstepError, '--endpoints missing')
      .with.property('hint', 'Add --endpoints …, or to p.yaml: source.endpoints');
  });

  it('an alias of aliases of aliases is not unfolded, and nothing is nested without end', () => {
    const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]'];
    for (const [name, of] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg'].map((pair) => [
      pair.charAt(0),
      pair.charAt(1),
    ]))
      bomb.push(`${name}: &${name} [${Array(10).fill(`*${of}`).join(', ')}]`);
    const started = performance.now();
    expect(fault([...bomb, 'prefixes: *h'].join('\n')).code).to.equal('BAD_CONFIG');
    expect(fault(`prefixes: [&a x${', *a'.repeat(101)}]`).message).to.contain('100 aliases');
    expect(fault('['.repeat(100_000)).code).to.equal('BAD_CONFIG');
    expect(performance.now() - started).to.be.lessThan(30_000);
  });

  it('whatever is broken in it, a secret that it holds is in no message', () => {
    const whole = 'source:\n  user: "root:hunter2"\n  password: \'hunter2\'\nprefixes: [/a/]\n';
    const broken = fc
      .array(
        fc.record({
          at: fc.nat(whole.length),
          cut: fc.nat(3),
          put: fc.constantFrom(
            '',
            ' ',
            '\n',
            ':',
            '"',
            "'",
            '*',
            '&',
            '!',
            '[',
            '{',
            '|',
            '\t',
            '\\',
            '-',
            '${',
            '#',
            '%',
            '@',
          ),
        }),
        { minLength: 1, maxLength: 4 },
      )
      .map((edits) =>
        edits.reduce(
          (text, { at, cut, put }) => text.slice(0, at) + put + text.slice(at + cut),
          whole,
        ),
      );
    fc.assert(
      fc.property(broken, (text) => {
        try {
          options(text);
        } catch (error) {
          if (!(error instanceof LockstepError)) throw error;
          expect(error.message).not.to.contain('hunter2');
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('places in a config file', () => {
  it('each is one option’s, and a word or two', () => {
    const placed = NAMES.map(placeOf).filter((place) => place !== undefined);
    expect(PLACES.size).to.equal(placed.length);
    for (const place of PLACES.keys()) expect(place).to.match(/^[a-z]\w*(\.[a-z]\w*)?$/i);
  });

  it('what belongs to one run has none', () => {
    for (const name of [
      'yes',
      'untilRevision',
      'untilSynced',
      'repair',
      'force',
      'config',
    ] as const)
      expect(placeOf(name), name).to.equal(undefined);
  });

  it('a key is looked for where it is', () => {
    for (const [typed, meant] of [
      ['taget', 'target'],
      ['source.password-file', 'source.passwordFile'],
      ['target.certs', 'target.cert'],
      ['kubeconfig', 'kubernetes.kubeconfig'],
      ['dest-endpoints', 'target.endpoints'],
      ['out', 'base'],
      ['prefix', 'prefixes'],
    ] as const)
      expect(nearest(typed), typed).to.equal(meant);
    expect(nearest('something')).to.equal(undefined);
  });
});
