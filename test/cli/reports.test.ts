/** Reports of a night: of two runs of the same command, both are there in the end. */
import { expect } from 'chai';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Reports } from '../../src/cli/reports.js';
import { freeName } from '../../src/newfile.js';
import { BROKEN, CUT_OVER } from '../report/nights.js';

describe('reports of a night', () => {
  const folder = mkdtempSync(join(tmpdir(), 'etcd-lockstep-'));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('a run that takes the night from another one does not write over its report', () => {
    const file = join(folder, 'night.json');
    const [first, second] = [1, 2].map(() => new Reports('cutover', [file], freeName));
    first?.write(BROKEN);
    second?.write(CUT_OVER);
    expect(second?.written).to.deep.equal([join(folder, 'night-2.json')]);
    expect(readdirSync(folder).sort()).to.deep.equal(['night-2.json', 'night.json']);
  });
});
