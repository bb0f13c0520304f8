/** How long writes are, or were, refused in a night. */
import type { NightView } from './view.js';

/**
 * @param at when it is asked, ISO 8601
 * @returns seconds; null while writes are not refused, or nobody knows since when
 */
export function frozenSeconds({ frozenAt, thawedAt }: NightView, at: string): number | null {
  if (frozenAt === null) return null;
  return Math.max(0, (Date.parse(thawedAt ?? at) - Date.parse(frozenAt)) / 1000);
}
