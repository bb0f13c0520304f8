/** Asks the control socket of a running command. */
import { request } from 'node:http';
import type { z } from 'zod';
import { within } from '../async/within.js';
import { ERROR_CODES, LockstepError, type ErrorCode } from '../errors.js';
import { refusal } from './controls.js';
import { pathFault } from './socketpath.js';

const ANSWERS_WITHIN_MS = 10_000;
const MOST_ANSWER_BYTES = 16 * 1024 * 1024;

/** What is asked of it. */
export interface Asked {
  method: 'GET' | 'PUT' | 'POST';
  path: string;
  body?: object;
}

/**
 * @param socket path of the socket
 * @param schema of the answer
 * @throws LockstepError UNAVAILABLE where nobody listens or answers; BAD_PATH for a path that cannot be a
 *   socket's, or that this user may not use; what the command refuses
 */
export async function ask<T>(
  socket: string,
  asked: Asked,
  schema: z.ZodType<T>,
  signal: AbortSignal,
): Promise<T> {
  const fault = pathFault(socket);
  if (fault !== undefined)
    throw new LockstepError('BAD_PATH', `there is no control socket at ${socket}: ${fault}`, {
      hint: 'Run it from the folder of the journal, and name that without its path.',
    });
  const answer = parsed(await answered(socket, asked, signal));
  const refused = refusal.safeParse(answer);
  if (refused.success) {
    const { code, message, hint } = refused.data.error;
    throw new LockstepError(known(code), message, { side: 'this machine', hint });
  }
  const { success, data } = schema.safeParse(answer);
  if (!success) throw strange(socket);
  return data;
}

async function answered(
  socketPath: string,
  { method, path, body }: Asked,
  signal: AbortSignal,
): Promise<string> {
  const text = body && JSON.stringify(body);
  return within(ANSWERS_WITHIN_MS, signal, async (over, isLate) => {
    try {
      return await new Promise((resolve, reject) => {
        const sent = request({ socketPath, method, path, signal: over });
        sent.once('error', reject);
        sent.once('response', (response) => {
          const chunks: Buffer[] = [];
          let bytes = 0;
          response.once('error', reject);
          response.on('data', (chunk: Buffer) => {
            bytes += chunk.length;
            if (bytes > MOST_ANSWER_BYTES) sent.destroy(strange(socketPath));
            else chunks.push(chunk);
          });
          response.once('end', () => {
            resolve(Buffer.concat(chunks).toString());
          });
        });
        if (text !== undefined) sent.setHeader('content-type', 'application/json');
        sent.end(text);
      });
    } catch (error) {
      if (isLate())
        throw unavailable(`${socketPath} does not answer`, 'Is the process stopped, or very busy?');
      throw told(socketPath, error);
    }
  });
}

function told(socket: string, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'ENOENT':
    case 'ECONNREFUSED':
      return unavailable(
        `nobody listens on ${socket}`,
        'Is `etcd-lockstep follow` running with this journal, on this machine? Its log says where there is no control socket.',
      );
    case 'EACCES':
    case 'EPERM':
      return new LockstepError('BAD_PATH', `this user may not use ${socket}`, {
        hint: 'Be the user that runs the command, or root.',
        cause: error,
      });
    case 'ECONNRESET':
      return unavailable(`${socket} has hung up`, 'Has the process ended just now?');
    default:
      return error;
  }
}

function unavailable(message: string, hint: string): LockstepError {
  return new LockstepError('UNAVAILABLE', message, { side: 'this machine', hint });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function strange(socket: string): LockstepError {
  return new LockstepError('BAD_PATH', `${socket} does not answer as a control socket does`, {
    hint: 'Is it another version of etcd-lockstep that runs there?',
  });
}

function known(code: string): ErrorCode {
  return ERROR_CODES.find((one) => one === code) ?? 'BAD_ARGUMENT';
}
