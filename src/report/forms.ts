/** All reports that there are. A new one has a format, a schema, and a page of its own. */
import { z } from 'zod';
import { auditFacts, mirrorFacts } from './auditfacts.js';
import { auditPage } from './auditpage.js';
import { besideFacts } from './besidefacts.js';
import { besidePage } from './besidepage.js';
import type { ReportPage } from './frame.js';
import { mirrorPage } from './mirrorpage.js';
import { nightFacts } from './nightfacts.js';
import { nightPage } from './nightpage.js';
import { rehearsalFacts } from './rehearsalfacts.js';
import { rehearsalPage } from './rehearsalpage.js';

/** The schema of {@link ReportFacts}, told apart by `format`. */
export const reportFacts = z.discriminatedUnion('format', [
  auditFacts,
  mirrorFacts,
  besideFacts,
  nightFacts,
  rehearsalFacts,
]);

/** The schema of the file: docs/report.schema.json. */
export const reportDocument = z.strictObject({
  /** Of the facts in canonical form (RFC 8785), 64 hexadecimal digits. */
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  facts: reportFacts,
});

/** What a report says. */
export type ReportFacts = z.infer<typeof reportFacts>;

export function pageOf(facts: ReportFacts): ReportPage {
  switch (facts.format) {
    case 'etcd-lockstep/audit-report/1':
      return auditPage(facts);
    case 'etcd-lockstep/mirror-report/1':
      return mirrorPage(facts);
    case 'etcd-lockstep/night-report/1':
      return nightPage(facts);
    case 'etcd-lockstep/follow-audit-report/1':
      return besidePage(facts);
    case 'etcd-lockstep/rehearsal-report/1':
      return rehearsalPage(facts);
  }
}
