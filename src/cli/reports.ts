/**
 * `--report` of a command: its files, and what the command ends with where they cannot be written.
 *
 * That a file cannot be there is said before any work is done. Where it fails in the end, what was found
 * counts all the same: it is printed, the failure is told behind it, and only an exit code that would say
 * that all is well gives way.
 */
import { LockstepError } from '../errors.js';
import { checkNewFile, writeWhole } from '../newfile.js';
import { ownVersion } from '../ownversion.js';
import { htmlOf, jsonOf } from '../report/document.js';
import type { ReportFacts } from '../report/forms.js';
import { describeMaking, type MadeBy } from '../report/madeby.js';
import type { FromFile } from '../config/parse.js';
import { tell, type Context } from './command.js';
import { commandLine, variablesSet } from './commandline.js';
import { EXIT_OUTPUT } from './stopping.js';

export class Reports {
  /** Those that were written. */
  readonly written: string[] = [];
  #lost: LockstepError | undefined;
  readonly #started = new Date();

  /**
   * @param command that was typed
   * @param files that were asked for; none: all of this does nothing
   * @param nameOf the name that one gets; asked again when it is written, for somebody else may have come first
   * @param config that options were taken from
   * @throws LockstepError FILE_EXISTS, BAD_PATH
   */
  constructor(
    private readonly command: string,
    private readonly files: readonly string[] = [],
    private readonly nameOf = (file: string) => file,
    private readonly config?: FromFile,
  ) {
    for (const file of files) checkNewFile(nameOf(file), '--report');
  }

  get wanted(): boolean {
    return this.files.length > 0;
  }

  /** Who and what made it, from the command's beginning to now. */
  get made(): MadeBy {
    return describeMaking({
      version: ownVersion(),
      command: commandLine(this.command, process.argv.slice(2), this.config),
      environment: variablesSet(process.env),
      started: this.#started,
      ended: new Date(),
    });
  }

  /** Never throws for a file that cannot be written; {@link end} tells it. */
  write(facts: ReportFacts): void {
    for (const asked of this.files)
      try {
        const file = this.nameOf(asked);
        writeWhole(file, file.endsWith('.html') ? htmlOf(facts) : jsonOf(facts));
        this.written.push(file);
      } catch (error) {
        if (!(error instanceof LockstepError)) throw error;
        this.#lost ??= error;
      }
  }

  /** For the last object of `-w json`. */
  get listed(): { files?: string[] } {
    return this.wanted ? { files: this.written } : {};
  }

  /** For the end of the text. */
  get lines(): string[] {
    return this.written.map((file) => `report: ${file}`);
  }

  /**
   * Behind the result: tells what could not be written.
   * @param own the exit code that the command came to
   * @returns the exit code
   */
  end(own: number, { json }: Pick<Context, 'json'>): number {
    if (!this.#lost) return own;
    tell(this.#lost, json);
    return own === 0 ? EXIT_OUTPUT : own;
  }
}
