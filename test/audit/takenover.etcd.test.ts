/** An audit behind a takeover: of which moment it speaks, and what was written since. */
import { expect } from 'chai';
import * as contract from '../cli/contract.js';
import { errorOf, run, whole } from '../cli/run.js';
import { PODS } from '../cli/stage.js';
import { Pair } from '../cutover/pair.js';

describe('audit: a target that was taken over', () => {
  let pair: Pair;
  let exact: number;
  let at: string;
  before(async () => {
    pair = await Pair.start();
    const claim = await pair.taken();
    ({ exact } = claim);
    at = claim.state.fencedAt;
  });
  after(() => pair.end());

  const audit = (...more: string[]) => {
    const ends = ['--endpoints', pair.stage.source.endpoint];
    return run(['audit', ...ends, '--dest-endpoints', pair.target.endpoint, ...more]);
  };
  const report = async (...more: string[]) => {
    const { code, stdout, stderr } = await audit('-w', 'json', ...more);
    expect(code, stderr).to.equal(0);
    return contract.auditReport.parse(whole(stdout).at(-1)).report;
  };
  const nothing = { put: 0, first: null, last: null, deleted: 0 };

  it('nothing was written since: EQUAL as of then', async () => {
    const { equal, revision, takenOver } = await report('--history');
    expect({ equal, revision }).to.deep.equal({ equal: true, revision: exact });
    expect(takenOver).to.deep.equal({
      ...{ phase: 'fenced', exact, at },
      ...{ source: nothing, target: nothing },
    });
  });

  it('both were written since: EQUAL as of then, and what has changed, on which side', async () => {
    await pair.target.ctl('put', `${PODS}0`, 'changed');
    const first = (await pair.heads()).target;
    await pair.target.ctl('put', `${PODS}new`, 'x');
    await pair.target.ctl('del', `${PODS}1`);
    await pair.target.ctl('del', `${PODS}2`);
    await pair.target.ctl('put', `${PODS}2`, 'made again');
    const last = (await pair.heads()).target;
    await pair.target.ctl('put', '/registry/others', 'not ours');
    await pair.stage.put(`${PODS}late`, 'x');
    const late = (await pair.heads()).source;
    const { equal, revision, differences, takenOver } = await report();
    expect({ equal, revision, differences }).to.include({ equal: true, revision: exact });
    expect(takenOver?.target).to.deep.equal({ put: 3, first, last, deleted: 2 });
    expect(takenOver?.source).to.deep.equal({ put: 1, first: late, last: late, deleted: 0 });

    const { stdout } = await audit();
    expect(stdout).to.match(
      new RegExp(
        String.raw`^EQUAL at revision ${exact}, when the target was taken over \(${at}\): ${PODS}`,
      ),
    );
    expect(stdout).to.contain(`on the source: 1 key put, at revision ${late}; 0 deleted`);
    expect(stdout).to.contain(`on the target: 3 keys put, at revisions ${first} to ${last}; 2 del`);
    const one = await report('--prefix', `${PODS}new`, '--allow-empty');
    expect(one.takenOver?.target).to.deep.equal({
      ...{ put: 1, first: first + 1, last: first + 1, deleted: null },
    });
  });

  it('compacted since: nothing is left to compare, TARGET_CUT_OVER, exit 5', async () => {
    await pair.stage.source.ctl('compact', String((await pair.heads()).source));
    const ended = await audit('-w', 'json');
    expect(ended.code, ended.stderr).to.equal(5);
    const { code, message, hint } = errorOf(ended);
    expect(code).to.equal('TARGET_CUT_OVER');
    expect(message).to.contain(`taken over at ${at}`).and.contain(`both sides had, ${exact},`);
    expect(message).to.contain('on the target 3 keys put');
    expect(hint).not.to.contain('follow');
  });
});
