/** Reading a config file from the disk: what is none, and what has changed in it. */
import { expect } from 'chai';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { changesOf } from '../../src/config/changes.js';
import { loadOptions, readConfig } from '../../src/config/load.js';
import { LockstepError } from '../../src/errors.js';
import { tempDir } from '../base/sources.js';

describe('reading a config file', () => {
  const dir = tempDir();
  const file = join(dir, 'pods.yaml');
  const write = (content: string | Buffer) => {
    writeFileSync(file, content);
  };

  const fault = async (path: string) => {
    const error: unknown = await readConfig(path, {}).catch((error: unknown) => error);
    if (!(error instanceof LockstepError)) throw error;
    expect(error.code).to.equal('BAD_CONFIG');
    return error.message;
  };

  it('what is no file, too large, or no text', async () => {
    mkdirSync(join(dir, 'folder'));
    expect(await fault(join(dir, 'folder'))).to.match(/folder is no file$/);
    expect(await fault('/dev/null')).to.match(/is no file$/);
    expect(await fault(join(dir, 'none'))).to.match(/^cannot read .*ENOENT/);
    write('#'.repeat(300_000));
    expect(await fault(file)).to.match(/a config file has at most 256 KiB$/);
    write(Buffer.from([0x6a, 0xff, 0x3a]));
    expect(await fault(file)).to.match(/no text in UTF-8$/);
    write('');
    expect(await fault(file)).to.match(/is empty$/);
  });

  it('its variable names it, too; what another command has in it does not count', async () => {
    write('listen: 2390\njournal: /j\n');
    const taken = { required: ['journal'], optional: ['listen', 'config'] } as const;
    const env = { LOCKSTEP_CONFIG: file };
    expect((await loadOptions({}, env, taken)).listen).to.have.property('port', 2390);
    const without = await loadOptions({}, env, { ...taken, notFromFile: ['listen'] });
    expect(without).to.deep.include({ journal: '/j' }).and.not.have.property('listen');
    const typed = await loadOptions({ listen: ['1'] }, env, { ...taken, notFromFile: ['listen'] });
    expect(typed.listen).to.have.property('port', 1);
  });

  it('read again it tells what has changed, flags and variables as before', async () => {
    const taken = {
      required: ['config'],
      optional: ['auditRate', 'auditEvery', 'margin', 'prefix', 'quiet'],
    } as const;
    const load = () =>
      loadOptions({ config: [file], margin: ['7'] }, { LOCKSTEP_QUIET: '1s' }, taken);
    write('audit: {rate: 1MiB, every: 1h}\ncutover: {margin: 1, quiet: 2s}\nprefixes: [/a/]\n');
    const first = await load();
    expect(changesOf(first, await load())).to.deep.equal({ live: {}, needRestart: [] });
    write('audit: {rate: 2MiB}\ncutover: {margin: 2, quiet: 3s}\nprefixes: [/b/]\n');
    expect(changesOf(first, await load())).to.deep.equal({
      live: { auditRate: 2 * 1024 * 1024, auditEvery: undefined },
      needRestart: ['prefix'],
    });
  });
});
