/**
 * Text with styles, for a terminal: lines of spans, so that a line can be measured, wrapped and cut before
 * it is painted. What was told by another process may hold anything, so control characters never get out.
 */
export type Style = 'bold' | 'dim' | 'good' | 'busy' | 'bad';

/** Plain text, or text with its style. */
type Span = string | readonly [Style, string];
export type StyledLine = readonly Span[];

/** Select Graphic Rendition; the basic colours are what every theme has. */
const SGR: Record<Style, string> = {
  ...{ bold: '1', dim: '2' },
  ...{ good: '32', busy: '33', bad: '1;31' },
};

const CONTROL = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function textOf(span: Span): string {
  return (typeof span === 'string' ? span : span[1]).replaceAll(CONTROL, ' ');
}

/** Cut to so many columns; its styles only where there are colours. */
export function paint(line: StyledLine, columns: number, colours: boolean): string {
  let left = columns;
  const parts = line.map((span) => {
    const text = textOf(span).slice(0, left);
    left -= text.length;
    return colours && typeof span !== 'string' ? `\x1b[${SGR[span[0]]}m${text}\x1b[0m` : text;
  });
  return parts.join('').trimEnd();
}

/** Words in lines of so many columns; a longer word has a line of its own, which is cut. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= columns)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Under a label, which stands before the first line only. */
export function labelled(
  label: string,
  text: string,
  { columns, indent, style }: { columns: number; indent: number; style?: Style },
): StyledLine[] {
  const lines = wrap(text, Math.max(20, columns - indent));
  return lines.map((line, i) => [
    ['dim', (i === 0 ? label : '').padEnd(indent)],
    style ? [style, line] : line,
  ]);
}

/** A command that can be copied as it stands: each line but the last ends with a backslash. */
export function commandLines(command: string, columns: number, indent: number): StyledLine[] {
  const lines = wrap(command, Math.max(20, columns - indent - 2));
  return lines.map((line, i) => [
    ' '.repeat(indent + (i === 0 ? 0 : 2)),
    ['bold', line],
    i < lines.length - 1 ? ' \\' : '',
  ]);
}
