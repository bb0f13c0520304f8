/**
 * Asks one path of one apiserver, until an answer says something of the freeze.
 *
 * The best object first, then all others side by side: as a rule the first will do, and where it does
 * not, there is one more round and not one for each.
 */
import { messageOf } from './answer.js';
import type { ApiServer } from './api.js';
import { DRY_RUN, type Path, type Request } from './attempts.js';
import { hasMoved, verdictOf, type FreezeVerdict } from './verdict.js';

export interface FreezeCheck {
  /** `create pods`, `pods/eviction`, `list pods` */
  what: string;
  expected: 'refused' | 'accepted';
  /**
   * `refused`: by our freeze. `accepted`: admission let it pass. `absent`: this apiserver has no such
   * path. `not asked`: there is no object that can be asked on. Else what it answered, which proves
   * neither.
   */
  got: string;
  /** The object that was asked on; null: none, or one that is not there. */
  on: string | null;
  /** Where it was not asked. */
  why: string | null;
  /** True also for what is absent or was not asked. */
  ok: boolean;
}

export interface Asked {
  check: FreezeCheck;
  /** Objects went or changed before admission was asked: newer ones may do. */
  moved: boolean;
}

interface AnswerHeard {
  verdict: FreezeVerdict;
  /** `403 …`, in the apiserver's words; of a yes that proves nothing, why. */
  said: string;
  on: string | null;
  moved: boolean;
}

export async function askPath(
  api: ApiServer,
  { what, there, requests }: Path,
  expected: FreezeCheck['expected'],
  signal?: AbortSignal,
): Promise<Asked> {
  const settled = (got: string, { on = null, why = null }: Partial<FreezeCheck> = {}) => ({
    ...{ what, expected, got, on, why },
    ok: [expected, 'absent', 'not asked'].includes(got),
  });
  if (!there) return { check: settled('absent'), moved: false };
  const [first, ...others] = requests;
  if (!first) return { check: settled('not asked', { why: 'there is none' }), moved: false };
  const heard = [await askOne(api, first, signal)];
  if (!isProof(heard[0]))
    heard.push(...(await Promise.all(others.map((one) => askOne(api, one, signal)))));
  const proofs = heard.filter(isProof);
  // Where they do not agree the freeze is just on its way.
  const proof = proofs.find(({ verdict }) => verdict !== expected) ?? proofs[0];
  if (proof) return { check: settled(proof.verdict, { on: proof.on }), moved: false };
  const unproven = heard.find(({ verdict }) => verdict === 'unproven');
  return unproven
    ? { check: settled(unproven.said, { on: unproven.on }), moved: false }
    : {
        check: settled('not asked', { why: heard[0]?.said ?? null }),
        moved: heard.some(({ moved }) => moved),
      };
}

/** The shortest answer to whether it is frozen. */
export async function askOne(
  api: ApiServer,
  { method, path, body, query, on, ...asking }: Request,
  signal?: AbortSignal,
): Promise<AnswerHeard> {
  const answer = await api.send(method, path, body, { ...query, ...DRY_RUN }, signal);
  return {
    verdict: verdictOf(answer, asking),
    said: answer.status < 300 ? 'it has changed' : `${answer.status} ${messageOf(answer)}`,
    on: on ?? null,
    moved: hasMoved(answer, asking),
  };
}

function isProof(heard: AnswerHeard | undefined): boolean {
  return heard?.verdict === 'refused' || heard?.verdict === 'accepted';
}
