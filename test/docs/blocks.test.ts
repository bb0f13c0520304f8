/** What the pages want to be pasted: each block is run in a shell, each command line is read by the one it is for. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { binaries, newestVersion } from '../rig/etcd.js';
import { COMMANDS, complaint, type Given } from './commandline.js';
import { blocksOf, inlineCode, PAGES, proseOf, read, sources } from './pages.js';
import { callsIn } from './shell.js';

const NAMES = COMMANDS.map((command) => command.name());
/** Its blocks are really run, but for the one that installs: tutorial.etcd.test.ts. */
const RUN = 'docs/tutorial.md';
const PASTED = PAGES.map((page) => ({
  page,
  files: configsOf(page),
  blocks: blocksOf(page).filter(
    ({ language, name }) => language === 'sh' && (page !== RUN || name === 'install'),
  ),
})).filter(({ blocks }) => blocks.length > 0);

/** A config file says its name in its first line. */
function configsOf(page: string): Record<string, string> {
  const shown = blocksOf(page).filter(({ language }) => language === 'yaml');
  return Object.fromEntries(shown.map(({ text }) => [/^# (\S+)\n/.exec(text)?.[1] ?? '', text]));
}

describe('docs: blocks', () => {
  it('each says what it is: sh is meant to be pasted, text to be looked at, ts is a program, yaml a config file', () => {
    for (const page of PAGES) {
      for (const { line, language } of blocksOf(page))
        expect(['sh', 'text', 'ts', 'yaml'], `${page}:${line}`).to.include(language);
      expect(proseOf(page).match(/(?<=\n\n) {4,}(?![-*\d|]).*/g) ?? [], page).to.deep.equal([]);
    }
  });

  for (const { page, blocks, files } of PASTED)
    it(`${page}: those that are meant to be pasted can be, one after the other`, () => {
      for (const { line, text } of blocks) {
        expect(text.replaceAll(/#.*/g, ''), `${page}:${line}`).not.to.contain('…');
        expect(() => callsIn(text), `${page}:${line}`).not.to.throw();
      }
      const calls = callsIn(blocks.map(({ text }) => text).join('\n'));
      expect(calls).not.to.deep.equal([]);
      const wrong = calls.map(({ args: [program = '', ...args], env }) =>
        told([program, ...args], wrongWith(program, args, { env, files })),
      );
      expect(wrong.filter((one) => one !== undefined)).to.deep.equal([]);
    });
});

/** By program; of others nothing is known. */
function wrongWith(program: string, args: string[], given: Given): string | undefined {
  switch (program) {
    case 'etcd-lockstep':
      return complaint(args, given);
    case 'make':
      return args.filter((arg) => !arg.includes('=')).find((target) => !isTarget(target));
    case 'etcd':
    case 'etcdctl':
    case 'etcdutl':
      return flagsRefused(program, args);
  }
  return undefined;
}

function isTarget(name: string): boolean {
  return new RegExp(`^${name}:`, 'm').test(read('Makefile'));
}

/** Asked for its help, it looks at the flags before it gives that. */
function flagsRefused(program: 'etcd' | 'etcdctl' | 'etcdutl', args: string[]): string | undefined {
  const path = binaries(newestVersion())[program] ?? program;
  const { status, stderr, error } = spawnSync(path, [...args, '--help'], {
    encoding: 'utf8',
    timeout: 10_000,
  });
  if (error) throw error;
  return status === 0 ? undefined : stderr;
}

describe('docs: commands in a sentence', () => {
  for (const page of PAGES)
    it(page, () => {
      expect(wrongIn(inlineCode(page))).to.deep.equal([]);
    });

  it('in what the program says', () => {
    const said = sources().flatMap((path) =>
      [...read(path).matchAll(/`(etcd-lockstep [a-z][^`\\\n]*)\\?`/g)].map(
        (match) => match[1] ?? '',
      ),
    );
    expect(said.length).to.be.greaterThan(20);
    expect(wrongIn(said.filter((one) => !one.includes('${')))).to.deep.equal([]);
  });

  it('every flag is one of ours, or of a program that is known', () => {
    const ours = COMMANDS.flatMap(({ options }) => options.map(({ long }) => long));
    const known = new Set([...ours, ...OF_OTHERS]);
    const unknown = PAGES.flatMap((page) =>
      inlineCode(page)
        .flatMap((text) => text.match(/(?<![\w-])--[a-z][\w-]+/g) ?? [])
        .filter((flag) => !known.has(flag))
        .map((flag) => `${page}: ${flag}`),
    );
    expect(unknown).to.deep.equal([]);
  });
});

const OF_OTHERS = [
  '--help',
  // etcd
  ...['--listen-client-http-urls', '--listen-peer-urls', '--max-request-bytes'],
  ...['--force-new-cluster', '--peer-cert-file', '--peer-trusted-ca-file', '--snapshot-count'],
  // etcdctl
  ...['--dest-insecure-transport', '--from-key', '--print-value-only'],
  // kube-apiserver
  ...['--endpoint-reconciler-type', '--etcd-compaction-interval', '--feature-gates'],
  ...['--etcd-prefix', '--etcd-servers-overrides'],
  // curl
  '--unix-socket',
  // jq and curl
  ...['--arg', '--data', '--fail', '--max-time'],
  // node, npm and mocha
  ...['--cpu-prof', '--exit', '--import', '--max-semi-space-size', '--timeout'],
  '--omit-lockfile-registry-resolved',
];

function wrongIn(texts: readonly string[]): string[] {
  return texts
    .map((text) => {
      const args = commandIn(text);
      return told([text], args && complaint(args, { partly: true }));
    })
    .filter((one) => one !== undefined);
}

function told(what: readonly string[], wrong: string | undefined): string | undefined {
  return wrong === undefined ? undefined : `${what.join(' ')}: ${wrong}`;
}

/** @returns undefined for what is no command line of ours, or only the pattern of one */
function commandIn(text: string): string[] | undefined {
  const words = text.split(' ').map((word) => word.replace(/^'(.*)'$/, '$1'));
  if (words[0] === 'etcd-lockstep') words.shift();
  else if (!/^(-|…|apply|print|probe|remove)/.test(words[1] ?? '')) return undefined;
  if (!NAMES.includes(words[0] ?? '') || /[|[\]]/.test(text)) return undefined;
  return words.filter((word, i) => word !== '…' || words[i - 1]?.startsWith('--'));
}

describe('docs: the synopsis of each command', () => {
  const shown = blocksOf('docs/reference.md').flatMap(({ text }) =>
    text.split('\n').filter((line) => line.startsWith('etcd-lockstep ')),
  );

  for (const command of COMMANDS)
    it(`${command.name()}: has its flags, and no others`, () => {
      const lines = shown.filter((line) => line.split(' ')[1] === command.name()).join(' ');
      const flags = new Set(lines.match(/--[a-z-]+/g));
      const has = command.options
        .filter(({ helpGroupHeading, long }) => !helpGroupHeading && long !== '--write-out')
        .map(({ long }) => long);
      expect([...flags].sort()).to.deep.equal(has.sort());
    });
});
