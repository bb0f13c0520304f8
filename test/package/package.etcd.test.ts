/** What `npm pack` makes of a fresh clone, installed where nothing else is: it runs, compiles, and works. */
import { expect } from 'chai';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';
import { Running } from '../cli/run.js';
import { PODS, Stage } from '../cli/stage.js';
import { until } from '../cutover/pair.js';
import { withCerts } from '../kube/scene.js';
import type { Etcd } from '../rig/etcd.js';
import { freePorts } from '../rig/ports.js';
import {
  compile,
  freshClone,
  install,
  listed,
  manifestOf,
  megabytesOf,
  npx,
  pack,
  ROOT,
  type Packed,
} from './installed.js';
import { nightBetween } from './night.js';
import { shownPrograms } from './pages.js';

const ALLOWED = [
  /^dist\/src\/(cli\/main\.js|index\.js|index\.d\.ts)$/,
  /^dist\/src\/listen\/page\/(page\.(html|css|js)|uplot\.css)$/,
  /^dist\/man\/etcd-lockstep\.1$/,
  /^dist\/THIRD-PARTY-LICENSES\.txt$/,
  /^docs\/[a-z-]+\.(md|svg)$/,
  /^docs\/(config|report)\.schema\.json$/,
  /^deploy\/(README\.md|prometheus\/alerts\.yaml|grafana\/etcd-lockstep\.json)$/,
  /^deploy\/(container\/Containerfile|kubernetes\/[a-z]+\.yaml)$/,
  /^deploy\/systemd\/(etcd-lockstep-follow@\.service|pods\.env|sysusers\.conf)$/,
  /^docs\/pictures\/[a-z-]+\.png$/,
  /^proto\/(etcd|raft)\.proto$/,
  /^(package\.json|README(\.zh-CN)?\.md|LICENSE|(CHANGELOG|CONTRIBUTING|SECURITY)\.md)$/,
];

/** `a` of `a/b.js`, `@a/b` of `@a/b/c.js`. */
function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

/** Above each module in a bundle stands where it comes from. */
const HELD = /^ *(?:\/\/ |")(?:.*\/)?node_modules\/((?:@[^/]+\/)?[^/]+)\//gm;
/** Of @kubernetes/client-node alone there were 55. */
const INSTALLED_MB = 20;

describe('the package', () => {
  let files: Packed[];
  let folder: string;
  const installed = (path: string) => join(folder, 'node_modules/etcd-lockstep', path);

  it('of a clone that cannot be built is not packed, and npm says why', async () => {
    const clone = freshClone();
    renameSync(join(clone, 'proto/etcd.proto'), join(clone, 'proto/gone.proto'));
    const why = await pack(clone).catch((error: unknown) => String(error));
    expect(why).to.match(/No rule to make target 'proto\/etcd.proto'/);
  });

  it('is built when it is packed, and holds what is needed and nothing else', async () => {
    const tarball = await pack(freshClone());
    files = await listed(tarball);
    folder = await install(tarball);
    const names = files.map(({ path }) => path);
    for (const name of names)
      expect(
        ALLOWED.some((one) => one.test(name)),
        name,
      ).to.be.true;
    const { bin } = manifestOf(ROOT);
    expect(names).to.include.members([...Object.values(bin), 'LICENSE', 'CHANGELOG.md']);
    expect(names).to.include.members(['dist/src/index.js', 'dist/src/index.d.ts']);
    const page = ['page.html', 'page.css', 'page.js', 'uplot.css'];
    expect(names).to.include.members(page.map((name) => `dist/src/listen/page/${name}`));
    for (const path of Object.values(bin))
      expect(files.find((file) => file.path === path)?.executable, path).to.be.true;
  });

  it('points at nothing that it does not hold: no sources, no pages', () => {
    for (const { path } of files.filter(({ path }) => path.endsWith('.js')))
      expect(readFileSync(installed(path), 'utf8'), path).not.to.contain('sourceMappingURL');
    const readme = readFileSync(installed('README.md'), 'utf8');
    const links = [...readme.matchAll(/\]\(([^):#]+)/g)].map(([, path = '']) => path);
    expect(links.length).to.be.greaterThan(5);
    for (const link of links) expect(existsSync(installed(link)), link).to.be.true;
  });

  it('imports what it declares, and declares what it imports', () => {
    const imported = new Set<string>();
    for (const path of ['dist/src/cli/main.js', 'dist/src/index.js', 'dist/src/index.d.ts']) {
      const text = readFileSync(installed(path), 'utf8');
      for (const { fileName } of ts.preProcessFile(text).importedFiles)
        if (!isBuiltin(fileName)) imported.add(packageOf(fileName));
    }
    const { dependencies } = manifestOf(ROOT);
    expect([...imported]).to.deep.equal(Object.keys(dependencies));
  });

  it('is small where it is installed, with all that comes along', () => {
    expect(megabytesOf(installed(''))).to.be.below(INSTALLED_MB);
  });

  it('hands on the licenses of what it holds', () => {
    const licenses = readFileSync(installed('dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
    const held = ['cli/main.js', 'index.js', 'listen/page/page.js'].flatMap((path) => [
      ...readFileSync(installed(`dist/src/${path}`), 'utf8').matchAll(HELD),
    ]);
    const names = new Set(held.map(([, name = '']) => name));
    expect([...names]).to.include.members(['zod', '@grpc/grpc-js', 'rxjs', 'uplot', 'pino']);
    for (const name of names) expect(licenses).to.match(new RegExp(`^${name} \\d.*\\(`, 'm'));
    for (const part of licenses.split(/^-{80}$/m).slice(1))
      expect(part).to.match(/copyright|license/i);
  });

  it('runs by npx', async () => {
    expect((await npx(folder, '--version')).trim()).to.equal(manifestOf(ROOT).version);
  });

  it('is compiled against, with all declarations looked at', async () => {
    const programs = shownPrograms();
    expect([...programs.keys()]).to.deep.equal(['move.ts', 'night.ts', 'mirror.ts']);
    await compile(folder, programs);
  });

  describe('the programs of docs/library.md', () => {
    const { certs } = withCerts();
    let stage: Stage;
    let target: Etcd;
    before(async () => {
      stage = await Stage.start();
      for (const name of ['default/a', 'default/b', 'kube-system/c'])
        await stage.put(`${PODS}${name}`);
    });
    after(() => stage.end());

    const program = (name: string, ...args: string[]) =>
      new Running(args, {}, undefined, { program: [join(folder, name)] });
    const journal = () => join(stage.dir, 'journal');

    it('move: seed, wait for the target, follow until it is in lockstep, audit', async () => {
      const [clientPort = 0] = await freePorts(1);
      const base = join(stage.dir, 'base.db');
      const here = `http://127.0.0.1:${clientPort}`;
      const move = program('move.js', stage.source.endpoint, here, journal(), base);
      await until(() => move.stdout.includes('3 keys at revision'));
      target = await stage.etcd(base, { clientPort });
      const { code, stdout, stderr } = await move.ended;
      expect(code, stderr).to.equal(0);
      expect(stdout).to.match(/\nequal at revision \d+\n$/);
    });

    it('night: follow, cut over, status, what retire would remove', async () => {
      const { source, kubeconfig, servers, script, ...night } = await nightBetween(
        stage,
        target,
        certs(),
      );
      const args = [source, target.endpoint, journal(), kubeconfig, servers.join(','), script];
      const { code, stdout, stderr } = await program('night.js', ...args).ended;
      night.close();
      expect(code, stderr).to.equal(0);
      const rest = 'done target target\n3 keys, removed: false\n';
      expect(stdout).to.match(new RegExp(`^exact up to \\d+, 0 alarms\n${rest}$`));
      expect(night.moved()).to.deep.equal(servers.map((url) => `${url} /pods#${target.endpoint}`));
    });

    it('mirror: plan, mirror until it is there, audit', async () => {
      const etcd = await stage.etcd();
      const mirror = await program('mirror.js', stage.source.endpoint, etcd.endpoint).ended;
      expect(mirror.code, mirror.stderr).to.equal(0);
      expect(mirror.stdout).to.match(/^\d checks say stop\nequal 3 keys\n$/);
    });
  });
});
