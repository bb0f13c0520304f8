/** README.zh-CN.md has what the first parts of README.md have: the same blocks, figures and links. */
import { expect } from 'chai';
import { blocksOf, proseOf, read, tableRows } from './pages.js';

const [ENGLISH, CHINESE] = ['README.md', 'README.zh-CN.md'];
const END = { [ENGLISH]: '\n## Read on\n', [CHINESE]: '\n## 接着读\n' };

/** Up to where the other pages are listed. */
function firstParts(page: string): string {
  const [first = '', rest] = proseOf(page).split(END[page] ?? '');
  if (rest === undefined) throw new Error(`${page} does not list the other pages`);
  return first;
}

function inBoth(of: (page: string) => unknown): void {
  expect(of(CHINESE)).to.deep.equal(of(ENGLISH));
}

describe('README.zh-CN.md: is in step with README.md', () => {
  it('blocks, but for their comments', () => {
    inBoth((page) => {
      const lines = read(page)
        .slice(0, read(page).indexOf(END[page] ?? ''))
        .split('\n').length;
      return blocksOf(page)
        .filter(({ line }) => line <= lines)
        .map(({ language, text }) => [language, text.replaceAll(/ +# .*$/gm, '')]);
    });
  });

  it('headings and steps', () => {
    inBoth((page) => firstParts(page).match(/^(#+|\d\.|-)(?= )/gm));
  });

  it('tables: as many rows, with the same figures and names of fields', () => {
    inBoth((page) =>
      tableRows(firstParts(page)).map((row) => row.map((cell) => cell.match(/[\d.]+|\w+_\w+/g))),
    );
  });

  it('figures, versions and exit codes', () => {
    inBoth((page) =>
      firstParts(page)
        .match(/\d+(\.\d+)*/g)
        ?.sort(),
    );
  });

  it('links and pictures', () => {
    inBoth((page) => {
      const links = [...firstParts(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to);
      // But for the one to the other language.
      return links.filter((to) => !to?.startsWith('README')).sort();
    });
  });
});
