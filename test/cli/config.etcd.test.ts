/** One config file for a migration: from plan, which writes it, to audit; and what `config check` says of it. */
import { expect } from 'chai';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as contract from './contract.js';
import { run, whole } from './run.js';
import { PODS, Stage } from './stage.js';

describe('a config file, from plan to audit', () => {
  let stage: Stage;
  let file: string;
  before(async () => {
    stage = await Stage.start();
    file = join(stage.dir, 'pods.yaml');
    await stage.put(`${PODS}a`);
    await stage.put(`${PODS}b`);
  });
  after(() => stage.end());

  it('plan writes it: for its owner alone, and the commands that follow are short', async () => {
    const args = ['plan', '--endpoints', stage.source.endpoint, '--sample', '0.1'];
    const { code, stdout, stderr } = await run([...args, '--write-config', file, '-w', 'json']);
    expect(code, stderr).to.equal(0);
    const { config, steps } = contract.plan.parse(whole(stdout)[0]);
    expect(config).to.equal(file);
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    const commands = new Map(steps.map(({ step, commands: [first] }) => [step, first]));
    expect(commands.get('seed')).to.equal(`etcd-lockstep seed -f ${file}`);
    expect(commands.get('follow')).to.match(/^etcd-lockstep follow -f \S+ --dest-endpoints \S+$/);
    expect(commands.get('freeze')).to.equal(
      `etcd-lockstep freeze print -f ${file} --kubeconfig KUBECONFIG`,
    );
  });

  it('never over one that is there, and not from another one', async () => {
    const before = readFileSync(file, 'utf8');
    const args = ['plan', '--endpoints', stage.source.endpoint, '--write-config', file];
    const again = await run(args);
    expect(again.code).to.equal(2);
    expect(again.stderr).to.contain('[FILE_EXISTS]');
    const both = await run(['plan', '-f', file, '--write-config', join(stage.dir, 'b.yaml')]);
    expect(both.code).to.equal(2);
    expect(both.stderr).to.contain('--write-config and --config exclude each other');
    expect(readFileSync(file, 'utf8')).to.equal(before);
  });

  it('config check asks nobody: what each would use, and what it lacks', async () => {
    const json = await run(['config', 'check', '-f', file, '-w', 'json']);
    expect(json.code, json.stderr).to.equal(0);
    const { config } = contract.configCheck.parse(whole(json.stdout)[0]);
    const ready = new Map(config.commands.map((one) => [one.command, one.ready]));
    expect(Object.fromEntries(ready)).to.include({ plan: true, seed: true, follow: false });
    const endpoints = config.options.find(({ flag }) => flag === '--endpoints');
    expect(endpoints).to.deep.include({ from: 'file', value: stage.source.endpoint });
    const text = await run(['config', 'check', '-f', file], { LOCKSTEP_QUIET: '1s' });
    expect(text.stdout).to.match(/^RIGHT: /);
    expect(text.stdout).to.match(/follow +lacks target\.endpoints \(--dest-endpoints\)/);
    expect(text.stdout).to.match(/--quiet +1s +LOCKSTEP_QUIET +cutover fence rollback/);
    expect(text.stdout).to.match(/--max-freeze +30s +default/);
  });

  it('seed, follow, audit and status by the same file; a variable says where the target is', async () => {
    const text = readFileSync(file, 'utf8').replace(
      /^ {2}# endpoints:\n.*$/m,
      '  endpoints: ${AT}',
    );
    expect(text).to.contain('${AT}');
    writeFileSync(file, `${text}\noutput: {format: json}\n`);
    const unset = await run(['seed', '-f', file]);
    expect(unset.code).to.equal(2);
    expect(unset.stderr).to.match(/pods\.yaml:\d+:3: target\.endpoints: needs the variable AT/);

    const seeded = await run(['seed', '-f', file], { AT: 'http://127.0.0.1:1' });
    expect(seeded.code, seeded.stderr).to.equal(0);
    contract.seed.parse(whole(seeded.stdout)[0]);
    const target = await stage.etcd(join(stage.dir, 'pods.db'));
    const env = { AT: target.endpoint };
    await stage.foreign(3);
    const followed = await run(['follow', '-f', file, '--until-synced'], env);
    expect(followed.code, followed.stderr).to.equal(0);

    const report = join(stage.dir, 'audit.json');
    const audited = await run(['audit', '--history', '--report', report], {
      ...env,
      LOCKSTEP_CONFIG: file,
    });
    expect(audited.code, audited.stderr).to.equal(0);
    const { facts } = JSON.parse(readFileSync(report, 'utf8')) as {
      facts: { made: { command: string } };
    };
    expect(facts.made.command).to.match(/ # config \S+pods\.yaml, sha256 [0-9a-f]{64}$/);

    const status = await run(['status', '-f', file, '-w', 'text'], env);
    expect(status.code, status.stderr).to.equal(0);
    expect(status.stdout).to.contain(`With: -f ${file}\n`);
  });

  it('nothing but where to listen: no command can run, which is a finding', async () => {
    const little = join(stage.dir, 'little.yaml');
    writeFileSync(little, 'listen: 2390\nkubernetes: {kubeconfig: none.conf}\n');
    const { code, stdout } = await run(['config', 'check', '-f', little]);
    expect(code).to.equal(1);
    expect(stdout).to.match(/^RIGHT, BUT TOO LITTLE/);
    // A night goes on beside the follower, which has that port.
    expect(stdout).to.match(/--listen +2390 +\S+little\.yaml:1 listen +seed follow mirror\n/);
    expect(stdout).to.match(/Not readable here.*\n.*kubernetes\.kubeconfig \S+none\.conf/);
  });

  it('config get prints what the file gives for a key, and no secret', async () => {
    const few = join(stage.dir, 'few.yaml');
    writeFileSync(few, 'prefixes: [/a/, /b/]\ntarget: {user: me, password: secret}\n');
    const get = (key: string, ...more: string[]) => run(['config', 'get', key, '-f', few, ...more]);
    expect(await get('prefixes')).to.include({ code: 0, stdout: '/a/\n/b/\n' });
    const json = await get('prefixes', '-w', 'json');
    expect(contract.configGet.parse(whole(json.stdout)[0]).get.values).to.deep.equal([
      '/a/',
      '/b/',
    ]);
    expect(await get('journal')).to.include({ code: 1, stdout: '' });
    const secret = await get('target.password');
    expect(secret).to.include({ code: 2, stdout: '' });
    expect(secret.stderr).to.contain('never printed').and.not.contain('"secret"');
    const none = await get('prefix');
    expect(none.code).to.equal(2);
    expect(none.stderr).to.contain('prefixes is one');
  });

  it('of several migrations each is checked, and a command is for one of them', async () => {
    const split = join(stage.dir, 'split.yaml');
    const { endpoint } = stage.source;
    writeFileSync(
      split,
      `source: {endpoints: ["${endpoint}"]}\nmigrations:\n  pods: {journal: p, base: p.db, prefixes: [${PODS}]}\n  leases: {target: {endpoints: http://a:1}}\n`,
    );
    const json = await run(['config', 'check', '-f', split, '-w', 'json']);
    expect(json.code, json.stderr).to.equal(0);
    const checked = whole(json.stdout).map((line) => contract.configCheck.parse(line).config);
    expect(checked.map(({ migration }) => migration)).to.deep.equal(['pods', 'leases']);
    const can = checked.map(({ commands }) =>
      ['seed', 'mirror'].map((name) => commands.find(({ command }) => command === name)?.ready),
    );
    expect(can).to.deep.equal([
      [true, false],
      [false, true],
    ]);
    const text = await run(['config', 'check', '-f', split, '--migration', 'pods']);
    expect(text.stdout).to.match(/^RIGHT: \S+split\.yaml, migration pods\n/);
    expect(text.stdout).to.match(/split\.yaml:3 migrations\.pods\.journal/);
    const get = (...args: string[]) => run(['config', 'get', ...args, '-f', split]);
    expect(await get('migrations')).to.include({ code: 0, stdout: 'pods\nleases\n' });
    expect(await get('base', '--migration', 'leases')).to.include({ code: 1, stdout: '' });
    const none = await run(['seed', '-f', split]);
    expect(none.code).to.equal(2);
    expect(none.stderr).to.contain('has several migrations: pods, leases');
    const seeded = await run(['seed', '-f', split, '--migration', 'pods']);
    expect(seeded.code, seeded.stderr).to.equal(0);
    expect(seeded.stdout).to.contain(`etcd-lockstep follow -f ${split} --migration pods `);
  });

  it('all values that are wrong are told at once', async () => {
    const wrong = join(stage.dir, 'values.yaml');
    writeFileSync(wrong, 'cutover: {margin: 1e3}\nlisten: here\n');
    const { code, stderr } = await run(['config', 'check', '-f', wrong], { LOCKSTEP_QUIET: 'no' });
    expect(code).to.equal(2);
    for (const what of ['cutover.margin "1e3"', 'listen "here"', 'LOCKSTEP_QUIET "no"'])
      expect(stderr).to.contain(`${what}: must`);
    expect(stderr).to.contain('[BAD_CONFIG]');
  });

  it('what does not go together is told by its keys, and a secret by nobody', async () => {
    const wrong = join(stage.dir, 'wrong.yaml');
    writeFileSync(
      wrong,
      'source: {endpoints: http://a:1, cacert: ca.pem, user: root, password: hunter2}\noutput: {format: json}\n',
    );
    for (const args of [['config', 'check'], ['plan']]) {
      const { code, stdout, stderr } = await run([...args, '-f', wrong]);
      expect(code).to.equal(2);
      expect(stdout).to.equal('');
      expect(stderr).to.contain('certificates are given, but source.endpoints says http://');
    }
    const check = await run(['config', 'check', '-f', wrong, '-w', 'text']);
    expect(check.stdout + check.stderr).not.to.contain('hunter2');
    const none = await run(['config', 'print', '-f', wrong]);
    expect(none.code).to.equal(2);
  });
});
