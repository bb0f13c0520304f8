/**
 * The document around a report's facts, whatever it is of: the facts with their hash as JSON, and a page
 * that is rendered from them and carries that JSON inside.
 *
 *     facts ─► {"sha256", "facts"} ─► FILE.json
 *                     └─► page(facts) around it ─► FILE.html
 *
 * Invariant: both files are functions of the facts, byte for byte, and of nothing else: no clock, no
 * locale, no machine. So verify.ts makes them anew and compares, and finds every byte that was changed.
 * The JSON's form depends on no version; the page's does, and the facts name the version it is of.
 *
 * The hash proves that a file is whole, not who made it: whoever changes the facts can make a hash for
 * them. Who has to know that signs the file by his own means.
 */
import { canonical, sha256 } from './canonical.js';
import { framed } from './frame.js';
import { pageOf, type ReportFacts } from './forms.js';

/** The JSON document, with the line end that is part of the file. */
export function jsonOf(facts: ReportFacts): string {
  const text = canonical(facts);
  return `{"sha256":"${sha256(text)}","facts":${text}}\n`;
}

/** The page. */
export function htmlOf(facts: ReportFacts): string {
  const json = jsonOf(facts);
  return framed(pageOf(facts), { made: facts.made, format: facts.format, json }).text;
}
