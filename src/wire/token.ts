/**
 * The token that etcd gives for a user's name and password; it goes with every call.
 *
 * It is asked for once and kept until the server refuses it: simple tokens end after five minutes
 * without a call or with a restart of the server, and a change of any user or role makes older ones
 * invalid. A refused call has had no effect, so it is safe to send it again with a new token.
 */
export class Token {
  #asked: Promise<string | undefined> | undefined;
  #last: string | undefined;

  /** @param authenticate resolves to a new token, to undefined where the server wants none, or throws */
  constructor(private readonly authenticate: () => Promise<string | undefined>) {}

  /** The token; undefined while the server has authentication off. */
  get(): Promise<string | undefined> {
    this.#asked ??= this.#ask();
    return this.#asked;
  }

  /** `refused` was refused; the next call asks for another one, unless that has happened already. */
  invalidate(refused: string | undefined): void {
    if (refused === this.#last) this.#asked = undefined;
  }

  async #ask(): Promise<string | undefined> {
    try {
      this.#last = await this.authenticate();
      return this.#last;
    } catch (error) {
      this.#asked = undefined;
      throw error;
    }
  }
}
