/** The pages at the top and docs/ as the checks read them: blocks, inline code, tables, links. */
import { readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../', import.meta.url);

/** A fenced block. `sh` is meant to be pasted, `text` is to be looked at. */
export interface Block {
  page: string;
  /** Of its first line in the page. */
  line: number;
  language: string;
  /** What stands behind the language; empty: nothing. */
  name: string;
  text: string;
}

export const PAGES = [
  ...['README.md', 'README.zh-CN.md', 'CONTRIBUTING.md', 'SECURITY.md'],
  ...readdirSync(new URL('docs/', ROOT))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

export function read(path: string): string {
  return readFileSync(new URL(path, ROOT), 'utf8');
}

const FENCE = /^( *)```(\w*) *([^\n]*)\n([\s\S]*?)^\1```$/gm;

export function blocksOf(page: string): Block[] {
  const text = read(page);
  return [...text.matchAll(FENCE)].map(
    ({ 1: indent = '', 2: language = '', 3: name = '', 4: body = '', index }) => ({
      page,
      line: text.slice(0, index).split('\n').length + 1,
      language,
      name,
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }),
  );
}

/** The page without its blocks; line numbers stay. */
export function proseOf(page: string): string {
  return read(page).replaceAll(FENCE, (block) => block.replaceAll(/[^\n]/g, ''));
}

/** What stands between backticks, outside of blocks. */
export function inlineCode(page: string): string[] {
  return [...proseOf(page).matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
}

/** The part of a page under a heading, up to the next one of the same depth. */
export function section(page: string, heading: string): string {
  const depth = /^#+ /.exec(heading)?.[0] ?? '';
  const found = `\n${read(page)}`
    .split(`\n${depth}`)
    .find((part) => part.startsWith(`${heading.slice(depth.length)}\n`));
  if (found === undefined) throw new Error(`${page} has no "${heading}"`);
  return found;
}

/** The cells of each row of each table, without heads. */
export function tableRows(text: string): string[][] {
  const lines = text.split('\n');
  return lines
    .filter((line, i) => line.startsWith('|') && !isRule(line) && !isRule(lines[i + 1] ?? ''))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}

function isRule(line: string): boolean {
  return /^\|[ :|-]+\|$/.test(line);
}

/** All of src/, without what is generated. */
export function sources(): string[] {
  return readdirSync(new URL('src/', ROOT), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('wire/gen'))
    .map((name) => `src/${name}`);
}

export function sourceText(): string {
  return sources().map(read).join('\n');
}
