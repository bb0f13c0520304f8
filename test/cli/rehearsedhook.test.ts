/** A hook in a rehearsal: run only where it names REHEARSE, its time taken, its word heard. */
import { expect } from 'chai';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rehearseHook } from '../../src/cli/rehearsedhook.js';
import { removeFolder } from '../rig/child.js';

describe('a hook in a rehearsal', () => {
  const dir = mkdtempSync(join(tmpdir(), 'rehearsed-'));
  const ran = join(dir, 'ran');
  after(() => {
    removeFolder(dir);
  });
  const run = (command: string) =>
    rehearseHook('switchHook', command, { APISERVER: 'https://a' }, new AbortController().signal);
  function script(name: string, text: string): string {
    const path = join(dir, name);
    writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return path;
  }

  it('that does not name REHEARSE is not run', async () => {
    const blind = script('blind.sh', `touch '${ran}'`);
    for (const command of [
      blind,
      `sh ${blind}`,
      `touch '${ran}'`,
      `${join(dir, 'none')} ; touch '${ran}'`,
    ]) {
      const { seconds, failed } = await run(command);
      expect(seconds, command).to.equal(null);
      expect(failed).to.contain('nothing in it names REHEARSE');
    }
    expect(existsSync(ran)).to.equal(false);
  });

  it('finds REHEARSE=1 and its apiserver, and says what a restart takes', async () => {
    const well = script(
      'well.sh',
      `[ "$REHEARSE$APISERVER" = 1https://a ] && echo restart-seconds=12.5`,
    );
    for (const command of [well, `exec '${well}' # quoted`, `APISERVER="$APISERVER" ${well}`]) {
      const { seconds, ...told } = await run(command);
      expect(told, command).to.deep.equal({ restartSeconds: 12.5, failed: null });
      expect(seconds).to.be.greaterThan(0);
    }
  });

  it('that fails says how; what is no number of seconds is only printed', async () => {
    const { restartSeconds, failed } = await run(
      'echo restart-seconds=soon >&2; : REHEARSE; exit 3',
    );
    expect({ restartSeconds, failed }).to.deep.equal({
      restartSeconds: null,
      failed: 'ended with exit code 3',
    });
  });
});
