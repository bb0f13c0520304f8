/** docs/output.md shows what the commands print: each is run, good and bad, and held against its block. */
import { expect } from 'chai';
import { withCerts } from '../kube/scene.js';
import { Acts } from './acts.js';
import { notPrinted } from './masked.js';
import { blocksOf, read, tableRows } from './pages.js';

const PAGE = 'docs/output.md';
const SHOWN = blocksOf(PAGE);

describe(PAGE, () => {
  const { certs } = withCerts();
  let acts: Acts;
  before(async () => {
    acts = await Acts.start();
    const target = await acts.follows();
    await acts.fallsBehind(target);
    await acts.isWrittenByOthers();
    await acts.isCutOver(target, certs());
  });
  after(() => acts.end());

  for (const { name, text } of SHOWN)
    it(`${name}: is what is printed`, () => {
      const printed = acts.outputs.get(name) ?? '';
      expect(notPrinted(text, printed), printed).to.equal(undefined);
    });

  it('shows every one that is run', () => {
    expect(SHOWN.map(({ name }) => name).sort()).to.deep.equal([...acts.outputs.keys()].sort());
  });

  it('explains only lines that stand above', () => {
    // Between a block and the next one are the tables that explain it.
    const parts = read(PAGE)
      .split(/^```text /m)
      .slice(1);
    const wrong = parts.flatMap((part) => {
      const [block = '', after = ''] = part.split(/^```$/m);
      const words = tableRows(after).map(([line = '']) => line.replaceAll('`', ''));
      return words.filter((line) => !line.split('…').every((word) => block.includes(word.trim())));
    });
    expect(wrong).to.deep.equal([]);
  });

  it('a word that is not printed is found', () => {
    expect(notPrinted('lag 1 rev\n…\nkeys 5\n', 'a\nlag 20 rev\nb\nkeys  1,000\n')).to.equal(
      undefined,
    );
    expect(notPrinted('lag 1 revs\n', 'lag 1 rev\n')).to.equal('lag <n> revs');
    expect(notPrinted('a\nc\n', 'a\nb\nc\n')).to.equal('a\nc');
    expect(notPrinted('keys 5\n…\nlag 1 rev\n', 'lag 1 rev\nkeys 5\n')).to.equal('lag <n> rev');
  });
});
