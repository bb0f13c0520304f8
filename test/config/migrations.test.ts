/** Several migrations in one config file: which of them a command is for, and what it gets of it. */
import { expect } from 'chai';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadOptions } from '../../src/config/load.js';
import type { OptionName } from '../../src/config/options.js';
import type { Typed } from '../../src/config/parse.js';
import { LockstepError } from '../../src/errors.js';
import { tempDir } from '../base/sources.js';

const SPLIT = `
source: {endpoints: [http://s:1], password: "\${PASSWORD}"}
journal: common.journal
listen: 2390
migrations:
  pods:
    target: {endpoints: [http://p:1]}
    prefixes: [/registry/pods/]
    journal: pods.journal
  leases:
    source: {user: anna}
    target: {endpoints: ["http://\${LEASES}:1"]}
    prefixes: [/registry/leases/]
    listen: 2391
`;
const NAMES = [
  ...['config', 'migration', 'endpoints', 'user', 'password', 'destEndpoints', 'prefix'],
  ...['journal', 'listen'],
] as OptionName[];

describe('several migrations in one config file', () => {
  const dir = tempDir();
  const file = join(dir, 'split.yaml');
  const write = (text: string) => {
    writeFileSync(file, text);
  };
  const load = (typed: Typed, environment = {}, optional: readonly OptionName[] = NAMES) => {
    const env = { LOCKSTEP_CONFIG: file, PASSWORD: 'hunter2', ...environment };
    return loadOptions(typed, env, { required: [], optional });
  };
  const fault = async (...asked: Parameters<typeof load>) => {
    const error: unknown = await load(...asked).catch((error: unknown) => error);
    if (!(error instanceof LockstepError)) throw error;
    expect(error.disposition).to.equal('usage');
    return `${error.message}; ${error.hint ?? ''}`;
  };

  it('what is its own wins over what all share; a variable of another one is not missed', async () => {
    write(SPLIT);
    const pods = await load({ migration: ['pods'] });
    expect(pods).to.deep.include({
      ...{ endpoints: ['http://s:1'], destEndpoints: ['http://p:1'], password: 'hunter2' },
      ...{ journal: join(dir, 'pods.journal'), listen: { host: '127.0.0.1', port: 2390 } },
    });
    expect(pods.fromFile).to.include({ path: file, migration: 'pods' });
    expect(pods).not.to.have.property('user');
    const leases = await load({}, { LOCKSTEP_MIGRATION: 'leases', LEASES: 'l' });
    expect(leases).to.deep.include({ user: 'anna', destEndpoints: ['http://l:1'] });
    expect(leases.journal).to.equal(join(dir, 'common.journal'));
    expect(leases.listen).to.have.property('port', 2391);
    expect(await fault({ migration: ['leases'] })).to.match(
      /split\.yaml:12:14: migrations\.leases\.target\.endpoints: needs the variable LEASES/,
    );
  });

  it('none is named: what all share is enough, or all are listed', async () => {
    write(SPLIT);
    expect(await fault({})).to.match(
      /^--migration missing: \S+ has several migrations: pods, leases; Name one: --migration pods$/,
    );
    expect(await load({}, {}, ['config', 'migration', 'endpoints', 'password'])).to.include({
      password: 'hunter2',
    });
    const given: Typed = { destEndpoints: ['http://x:1'], prefix: ['/a/'], journal: ['/j'] };
    const taken = ['config', 'migration', 'destEndpoints', 'prefix', 'journal'] as const;
    expect(await load(given, {}, taken)).to.include({ journal: '/j' });
    // The only one there is needs no name.
    write('migrations: {pods: {journal: /j}}');
    expect((await load({})).journal).to.equal('/j');
  });

  it('one that is not there: the nearest; none at all, or no file', async () => {
    write(SPLIT);
    expect(await fault({ migration: ['leses'] })).to.match(
      /^--migration leses: .* the nearest is leases; It is one of pods, leases\.$/,
    );
    expect(await fault({ migration: ['zzz'] })).to.match(/is called so; It is one of/);
    write('journal: /j');
    expect(await fault({ migration: ['pods'] })).to.match(/has no migrations: all of it is one/);
    const none: unknown = await loadOptions(
      { migration: ['pods'] },
      {},
      {
        ...{ required: [], optional: ['config', 'migration'] as const },
      },
    ).catch((error: unknown) => error);
    expect(none).to.be.instanceOf(LockstepError).with.property('code', 'BAD_ARGUMENT');
  });

  it('two with one journal or one base are refused, also where they share it', async () => {
    write('journal: j\nmigrations: {a: {}, b: {}}');
    expect(await fault({ migration: ['a'] })).to.match(
      /:1: journal: migrations a and b have the same/,
    );
    write('migrations:\n  a: {base: x.db}\n  b: {base: x.db}');
    expect(await fault({ migration: ['a'] })).to.match(
      /:3: migrations\.b\.base: migrations a and b have the same; each needs its own/,
    );
  });

  it('a wrong value is blamed on its place in the migration', async () => {
    write('migrations:\n  a: {listen: here}\n');
    expect(await fault({})).to.match(/split\.yaml:2: migrations\.a\.listen "here": must/);
  });
});
