/** docs/messages.md: every code, with the exit code and the texts that the program has for it. */
import { expect } from 'chai';
import { exitCodes, exitsOfCodes } from './codes.js';
import { blocksOf, PAGES, proseOf, read, section, sourceText, tableRows } from './pages.js';

const EXITS = exitsOfCodes();
const ROWS = tableRows(read('docs/messages.md').split('## Without a code')[0] ?? '').map(
  ([says = '', code = '', exit = '', toDo = '']) => ({
    ...{ says, code: code.replaceAll('`', ''), exit: Number(exit), toDo },
  }),
);

describe('docs/messages.md', () => {
  it('has every error code once, and no others', () => {
    expect(ROWS.map(({ code }) => code).sort()).to.deep.equal([...EXITS.keys()].sort());
  });

  it('each with its exit code, and what to do', () => {
    const wrong = ROWS.filter(({ code, exit }) => isWrong(code, exit)).map(({ code }) => code);
    expect(wrong).to.deep.equal([]);
    for (const { code, toDo } of ROWS) expect(toDo, code).not.to.equal('');
  });

  it('the error that is shown is one of them', () => {
    const [shown = ''] = blocksOf('docs/messages.md').map(({ text }) => text);
    const [, message = '', code, hint = ''] =
      /^Error: (.*) \[(\w+)\]\nTry: (.*) …$/m.exec(shown) ?? [];
    const row = ROWS.find((one) => one.code === code);
    expect(row?.says).to.contain(`\`${message.replaceAll(/\d+/g, '…')}\``);
    expect(SOURCES).to.contain(hint);
  });

  it('each text is one of the program', () => {
    const unknown = ROWS.flatMap(({ says }) => [...says.matchAll(/`([^`]+)`/g)])
      .map((match) => match[1] ?? '')
      .filter((text) => !pattern(text).test(SOURCES));
    expect(unknown).to.deep.equal([]);
  });
});

function isWrong(code: string, exit: number): boolean {
  return EXITS.get(code) !== exit;
}

const SOURCES = sourceText();

/** What stands for `…` is made up where it is said. */
function pattern(text: string): RegExp {
  const parts = text
    .split('…')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(parts.join(String.raw`[^\n]{0,120}?`));
}

describe('docs: exit codes', () => {
  it('docs/reference.md has each, and no others', () => {
    const rows = tableRows(section('docs/reference.md', '## Exit codes'));
    expect(rows.map(([code]) => Number(code))).to.deep.equal(exitCodes());
  });

  it('README.md has those that a command may end with by itself', () => {
    const [, told = ''] =
      /exit code that says what to do: (.*?)\. An error/.exec(proseOf('README.md')) ?? [];
    const ours = exitCodes().filter((code) => code < 70);
    expect((told.match(/\d+/g) ?? []).map(Number)).to.deep.equal(ours);
  });

  for (const page of PAGES)
    it(`${page}: a code that is told with its exit code has that one`, () => {
      const told = proseOf(page).matchAll(
        /`([A-Z]{2,}(?:_[A-Z]+)*)`(?: and|,)? exit(?: code)? (\d+)/g,
      );
      const wrong = [...told].filter(([, code = '', exit]) => isWrong(code, Number(exit)));
      expect(wrong.map(([text]) => text)).to.deep.equal([]);
    });
});
