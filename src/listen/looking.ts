/**
 * Looking at a running command from outside: its view once, or one after the other, by its listener.
 *
 * It may not be there yet, end, and come back; that is told and tried again, for as long as somebody looks.
 * What answers and is none of ours is an error: no other try makes a listener of it. A view is due each
 * second, so a listener that says nothing for a while does not answer, whatever its connection does.
 */
import { once } from 'node:events';
import { get as httpGet, type IncomingMessage } from 'node:http';
import { get as httpsGet } from 'node:https';
import { Backoff } from '../async/again.js';
import { badArgument, LockstepError, passes } from '../errors.js';
import { exchange } from '../wire/http.js';
import { asPeerFault, PeerFault } from '../wire/peerfault.js';
import type { View } from './view.js';
import { parseView } from './viewschema.js';

const ANSWERS_WITHIN_MS = 5000;
/** Some dozens of KiB as a rule; most of it is what was logged. */
const MAX_VIEW_BYTES = 4 * 1024 * 1024;

const VIEW_EVENT = 'event: view\n';

/** A view, or why there is none now. */
export type Heard = { view: View } | { gone: string };

/**
 * @param at folder of the listener
 * @throws LockstepError UNAVAILABLE where nobody answers, BAD_ARGUMENT where it is no listener
 */
export async function readView(at: URL, signal: AbortSignal): Promise<View> {
  const answer = await exchange(new URL('view.json', at), {
    ...{ agent: false, signal, withinMs: ANSWERS_WITHIN_MS, maxBytes: MAX_VIEW_BYTES },
  }).catch((error: unknown) => {
    throw asSilence(at, error);
  });
  refuseStatus(at, answer.status, answer.text);
  return viewIn(at, answer.text);
}

/**
 * Until `signal` aborts.
 * @param at folder of the listener
 * @throws LockstepError BAD_ARGUMENT where it is no listener
 */
export async function* hearViews(at: URL, signal: AbortSignal): AsyncGenerator<Heard> {
  const backoff = new Backoff(signal);
  const isOver = () => signal.aborted;
  while (!isOver()) {
    let gone = 'it has ended the connection';
    try {
      for await (const data of viewEvents(at, signal)) {
        backoff.reset();
        yield { view: viewIn(at, data) };
      }
    } catch (error) {
      if (isOver()) return;
      if (!passes(error)) throw error;
      gone = error.message;
    }
    if (isOver()) return;
    yield { gone };
    await backoff.rest();
  }
}

/** What comes as `event: view`, until the listener ends it. */
async function* viewEvents(at: URL, signal: AbortSignal): AsyncGenerator<string> {
  let text = '';
  try {
    const answer = await openEvents(at, signal);
    for await (const chunk of answer.setEncoding('utf8') as AsyncIterable<string>) {
      const events = `${text}${chunk}`.split('\n\n');
      text = events.pop() ?? '';
      if (text.length > MAX_VIEW_BYTES) throw noListener(at, 'it sends an event without an end');
      for (const event of events) if (event.startsWith(VIEW_EVENT)) yield dataOf(event);
    }
  } catch (error) {
    throw asSilence(at, error);
  }
}

function dataOf(event: string): string {
  const lines = event.split('\n').filter((line) => line.startsWith('data: '));
  return lines.map((line) => line.slice('data: '.length)).join('\n');
}

async function openEvents(at: URL, signal: AbortSignal): Promise<IncomingMessage> {
  const get = at.protocol === 'https:' ? httpsGet : httpGet;
  const headers = { accept: 'text/event-stream' };
  const request = get(new URL('events', at), { headers, signal, agent: false });
  const silence = new PeerFault(`nothing came for ${ANSWERS_WITHIN_MS / 1000} s`);
  request.setTimeout(ANSWERS_WITHIN_MS, () => request.destroy(silence));
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  // From now on who reads the answer hears of it.
  request.on('timeout', () => answer.destroy(silence));
  const { statusCode = 0 } = answer;
  const type = answer.headers['content-type'] ?? '';
  const isStream = statusCode === 200 && type.startsWith('text/event-stream');
  if (!isStream) request.destroy();
  refuseStatus(at, statusCode, '');
  if (!isStream) throw noListener(at, `it answers with ${type === '' ? 'something else' : type}`);
  return answer;
}

/** A proxy before it answers for one that is away; a listener does so where too many look. */
const AWAY = [502, 503, 504];

function refuseStatus(at: URL, status: number, text: string): void {
  if (status === 200) return;
  const [why = ''] = text.split('\n');
  if (AWAY.includes(status)) throw silent(at, `answered with ${status} ${why}`.trimEnd());
  throw noListener(at, `it answered with ${status}${why === '' ? '' : `: ${why.slice(0, 100)}`}`);
}

function viewIn(at: URL, text: string): View {
  const view = parseView(text);
  if (!view) throw noListener(at, 'what it answers is no view, or one of another version');
  return view;
}

/** What is the network's means that nobody answers; all else stays what it is. */
function asSilence(at: URL, error: unknown): unknown {
  const fault = asPeerFault(error);
  return fault instanceof PeerFault ? silent(at, fault.message, fault) : fault;
}

function silent(at: URL, why: string, cause?: unknown): LockstepError {
  return new LockstepError('UNAVAILABLE', `nothing to be heard at ${at.href}: ${why}`, {
    hint: 'Does the command run, and with --listen? It logs where it is shown.',
    cause,
  });
}

function noListener(at: URL, why: string): LockstepError {
  return badArgument(
    `${at.href} is no listener of etcd-lockstep: ${why}`,
    'Give the address that the command has logged, as it stands there.',
  );
}
