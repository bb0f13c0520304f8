/** The drawings of docs/: they are shown, can be read by everybody, and the night's has the steps that there are. */
import { expect } from 'chai';
import { readdirSync } from 'node:fs';
import { CUTOVER_STEPS } from '../../src/cutover/script.js';
import { PAGES, proseOf, read } from './pages.js';

const DRAWINGS = readdirSync(new URL('../../docs/', import.meta.url)).filter((name) =>
  name.endsWith('.svg'),
);

/** The words of a drawing, in their order. */
function words(name: string): string[] {
  return [...read(`docs/${name}`).matchAll(/<text[^>]*>([^<]*)</g)].map(([, text = '']) => text);
}

describe('docs: drawings', () => {
  for (const name of DRAWINGS) {
    it(`${name}: is shown on a page, with words for who does not see it`, () => {
      const shown = PAGES.flatMap((page) =>
        [...proseOf(page).matchAll(/!\[([^\]]*)\]\(([^)]+)\)/g)].filter(([, , file = '']) =>
          file.endsWith(name),
        ),
      );
      expect(shown.map(([, alt]) => alt))
        .to.not.include('')
        .and.not.deep.equal([]);
      expect(read(`docs/${name}`)).to.match(/<svg [^>]*role="img" aria-label="[^"]{40,}"/);
    });

    it(`${name}: has a ground of its own, and colours for the dark`, () => {
      const text = read(`docs/${name}`);
      expect(text).to.contain('@media (prefers-color-scheme: dark)');
      const [, width = '', height = ''] = /viewBox="0 0 (\d+) (\d+)"/.exec(text) ?? [];
      expect(text).to.match(new RegExp(`<rect [^>]*width="${width}" height="${height}"`));
    });
  }

  it('night.svg: the steps of a cutover, numbered', () => {
    const all = words('night.svg');
    const steps = all.flatMap((word, i) => (/^\d+$/.test(word) ? [[word, all[i + 1]]] : []));
    expect(steps).to.deep.equal(CUTOVER_STEPS.map(({ name }, i) => [`${i + 1}`, name]));
  });
});
