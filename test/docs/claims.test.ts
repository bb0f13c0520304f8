/** Numbers that the pages claim: defaults against the option table, versions against what says them in the code. */
import { expect } from 'chai';
import type { OptionSpec } from '../../src/config/kinds.js';
import { OPTIONS, flagOf, type OptionName } from '../../src/config/options.js';
import { PAGES, proseOf, read } from './pages.js';

const DEFAULTS = new Map(
  (Object.keys(OPTIONS) as OptionName[]).map((name) => {
    const { default: value }: OptionSpec<unknown> = OPTIONS[name];
    return [flagOf(name), value];
  }),
);

describe('docs: defaults', () => {
  it('a number behind a flag is its default', () => {
    const wrong = PAGES.flatMap((page) =>
      [...proseOf(page).matchAll(/`(--[a-z-]+)` \((\d+\w*)/g)]
        .filter(([, flag = '', number]) => DEFAULTS.get(flag) !== number)
        .map(([text]) => `${page}: ${text}`),
    );
    expect(wrong).to.deep.equal([]);
  });
});

/** Versions that something in the project vouches for: what is tested, what is checked for, what was tried. */
const VOUCHED: Record<string, string[]> = {
  etcd: [
    ...versionsIn('test/rig/get-etcd.sh', /^\[ \$# -gt 0 \] \|\| WANTED=\((.*)\)$/m),
    ...minors('src/source/limits.ts', 'FIRST_GOOD'),
    ...minors('src/plan/servers.ts', 'PROGRESS_ON_REQUEST'),
    ...minors('src/plan/servers.ts', 'SOUND'),
  ],
  Node: [
    ...versionsIn('package.json', /"node": "(.*)"/),
    ...versionsIn('src/wire/machineroots.ts', /From Node (.*) on/),
  ],
  Kubernetes: [
    ...versionsIn('test/k8s/get-kube.sh', /^VERSION=(.*)$/m),
    ...versionsIn('test/data/kube-probe-answers.txt', /([^]*)/),
  ],
};

function versionsIn(path: string, where: RegExp): string[] {
  const found = where.exec(read(path))?.[1]?.match(/\d+\.\d+(\.\d+)?/g);
  if (!found) throw new Error(`${path} names no version at ${String(where)}`);
  return found;
}

/** `{ '3.4': 34, '3.5': 16 }` */
function minors(path: string, name: string): string[] {
  const table = new RegExp(`${name}[^=]*= \\{([^}]*)\\}`).exec(read(path))?.[1] ?? '';
  return [...table.matchAll(/'(\d\.\d)': (\d+)/g)].map(([, minor, patch]) => `${minor}.${patch}`);
}

/** The figures of docs/performance.md are of whatever they were measured on. */
const OF_TODAY = PAGES.filter((page) => page !== 'docs/performance.md');

describe('docs: versions', () => {
  for (const [what, pattern] of [
    ['etcd', /(?<![\d.])3\.[4-9]\.\d+\b/g],
    ['Node', /(?<=Node |from |or )2\d\.\d+|(?<= and )2\d\.\d+(?= on)/g],
    ['Kubernetes', /(?<![\d.])1\.\d\d\.\d+\b/g],
  ] as const)
    it(`${what}: each is one that the project vouches for`, () => {
      const told = OF_TODAY.flatMap((page) => proseOf(page).match(pattern) ?? []);
      expect(told.length).to.be.greaterThan(0);
      expect([...new Set(told)].filter((one) => !VOUCHED[what]?.includes(one))).to.deep.equal([]);
    });

  it('README.md: tested with just those etcds that the tests get, and the Node of package.json', () => {
    const readme = proseOf('README.md');
    const [, tested = ''] = /tested with ([\d., and]+)\./.exec(readme) ?? [];
    expect(tested.match(/[\d.]+/g)).to.deep.equal(
      versionsIn('test/rig/get-etcd.sh', /WANTED=\((\d.*)\)$/m),
    );
    const needed = versionsIn('package.json', /"node": "(.*)"/);
    const told = [...readme.matchAll(/Node 20 from ([\d.]+) on, or ([\d.]+) and newer/g)];
    expect(told.map(([, ...versions]) => versions)).to.deep.equal([needed, needed]);
  });
});
