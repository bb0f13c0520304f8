/** The source's head, where answers overtake each other. */
import { LockstepError } from '../../src/errors.js';
import { expect } from 'chai';
import { SourceHead } from '../../src/lockstep/sourcehead.js';
import type { EtcdClient, Header } from '../../src/wire/client.js';

/** Answers when it is told to, in whatever order. */
class Slow {
  readonly answer: ((revision: number) => void)[] = [];

  readonly client = {
    head: () =>
      new Promise<Header>((resolve) => {
        this.answer.push((revision) => {
          resolve({ clusterId: 'a1', revision });
        });
      }),
  } as unknown as EtcdClient;
}

describe("the source's head", () => {
  const captured = { position: 5, state: { clusterId: 'a1', prefixes: ['/a/'] } };

  it('a target is not ahead of it by an older answer that came last', async () => {
    const { client, answer } = new Slow();
    const head = new SourceHead(client, captured);
    const older = head.ask();
    const refused = head.refuseAhead(20);
    answer[1]?.(20);
    answer[0]?.(10);
    await Promise.all([older, refused]);
  });

  it('a target that stands above it is refused', async () => {
    const { client, answer } = new Slow();
    const refused = new SourceHead(client, captured).refuseAhead(20);
    answer[0]?.(19);
    const error: unknown = await refused.catch((error: unknown) => error);
    expect(error).to.be.instanceOf(LockstepError).that.includes({ code: 'TARGET_AHEAD' });
  });
});
