/** What became of one audit; a page in a browser is compiled with this file, so it imports nothing. */

/** One audit that has ended. */
export interface AuditOutcome {
  /** When it ended. */
  at: string;
  /** `failed`: it could not be carried through, and says nothing about the data. */
  result: 'equal' | 'different' | 'failed';
  /** Null where it was not carried through. */
  revision: number | null;
  keys: number;
  differences: number;
  seconds: number;
  /** Of its report, in the folder of reports; null: none was written. */
  file: string | null;
  /** Why it failed; or what else there is to a difference: a wrong cursor, or why it ended before its time. */
  message: string | null;
}
