/** Every link of a page leads somewhere, and every page is linked to from the README. */
import { expect } from 'chai';
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inlineCode, PAGES, proseOf, read, sourceText } from './pages.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

describe('docs: links', () => {
  for (const page of PAGES)
    it(page, () => {
      const broken = linksOf(page).filter(({ file, anchor }) => !leads(file, anchor));
      expect(broken.map(({ link }) => link)).to.deep.equal([]);
    });

  it('README.md names every page', () => {
    const named = linksOf('README.md').map(({ file }) => file);
    expect(PAGES.filter((page) => page !== 'README.md' && !named.includes(page))).to.deep.equal([]);
  });

  it('README.md has every room of src/, and no others', () => {
    const rooms = readdirSync(join(ROOT, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => `src/${name}/`);
    const told = read('README.md').match(/^src\/\w+\//gm);
    expect([...(told ?? [])].sort()).to.deep.equal(rooms.sort());
  });

  it('every file of the project that is named is there', () => {
    const named = PAGES.flatMap(inlineCode).filter((text) =>
      /^(src|test|bench|proto)\/[\w/.-]+$/.test(text),
    );
    expect(named.length).to.be.greaterThan(20);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).to.deep.equal([]);
  });

  it('so is every page that the program names', () => {
    const named = sourceText().match(/docs\/[\w-]+\.md/g) ?? [];
    expect(named.filter((page) => !PAGES.includes(page))).to.deep.equal([]);
  });
});

function linksOf(page: string): { link: string; file: string; anchor: string | undefined }[] {
  return [...proseOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => match[1] ?? '')
    .filter((link) => !/^https?:/.test(link))
    .map((link) => {
      const [path = '', anchor] = link.split('#');
      const file = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
      return { link, file, anchor };
    });
}

function leads(file: string, anchor: string | undefined): boolean {
  if (!existsSync(join(ROOT, file))) return false;
  return anchor === undefined || anchorsOf(file).includes(anchor);
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): string[] {
  return [...proseOf(page).matchAll(/^#+ (.+)$/gm)].map(({ 1: heading = '' }) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
