/**
 * HTML that is put together from pieces, with everything escaped that is no markup of ours.
 *
 *     html`<td>${key}</td>`
 *
 * Names of keys are written by whoever may write to the etcd, so a page must not believe them: neither
 * as markup, nor as letters that look like others. What changes the direction of writing, is not visible
 * or breaks a line is shown as its number, `\u{202e}`.
 */

/** A piece of a page, escaped already. */
export class Markup {
  constructor(readonly text: string) {}
}

type Piece = Markup | string | number | readonly Markup[];

export function html(parts: TemplateStringsArray, ...pieces: Piece[]): Markup {
  const raw = squeezed(parts);
  return new Markup(String.raw({ raw }, ...pieces.map(textOf)));
}

const SQUEEZED = new WeakMap<TemplateStringsArray, readonly string[]>();

/** How a piece is indented here is nothing that a page has to carry, ten thousand times over. */
function squeezed(parts: TemplateStringsArray): readonly string[] {
  const known = SQUEEZED.get(parts);
  if (known) return known;
  const made = parts.map((part) => part.replaceAll(/\n\s+/g, '\n'));
  SQUEEZED.set(parts, made);
  return made;
}

/** Nothing. */
export const NONE = new Markup('');

function textOf(piece: Piece): string {
  if (piece instanceof Markup) return piece.text;
  if (typeof piece === 'object') return piece.map(({ text }) => text).join('');
  return escaped(visible(String(piece)));
}

const ENTITIES: Record<string, string> = {
  ...{ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' },
};

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (one) => ENTITIES[one] ?? one);
}

function visible(text: string): string {
  return text.replaceAll(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu,
    (one) => String.raw`\u{${(one.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** JSON for inside a script element, which ends at the first `</script`, whatever that stands in. */
export function inScript(json: string): Markup {
  return new Markup(
    json.replaceAll(/[<>&\p{Cf}\p{Zl}\p{Zp}]/gu, (one) => {
      const units = Array.from({ length: one.length }, (_, i) => one.charCodeAt(i));
      return units.map((unit) => String.raw`\u${unit.toString(16).padStart(4, '0')}`).join('');
    }),
  );
}
