/**
 * The network between followers and target. Nothing moves in it by itself: each step moves one
 * packet, whichever the caller picks, and may do to it what networks do. So a run is a list of
 * numbers, the same each time, and fast-check can shrink it.
 */
import { LockstepError } from '../../src/errors.js';

/**
 * What happens to a packet.
 *   lost   a request never arrives, an answer never comes back; the caller sees a broken connection
 *   late   the caller sees a broken connection now, the request is still on its way
 *   twice  the request is executed and yet still on its way
 *
 * To what is in raft's log nobody waits for an answer: there `lost` is all of it, and `late` its second
 * half, since the log of a leader that is gone ends somewhere.
 */
export type Fault = 'none' | 'lost' | 'late' | 'twice';

interface Packet {
  readonly label: string;
  /** What it leaves in flight. */
  arrive(fault: Fault): Packet[];
}

/** Who waits for an answer. One that is dead never gets it, but what it sent is on its way. */
export interface Caller {
  readonly name: string;
  readonly alive: boolean;
}

export class Network {
  #inFlight: Packet[] = [];

  /** Packets in flight. */
  get size(): number {
    return this.#inFlight.length;
  }

  /** Sends a request that `serve` will answer, as often as it arrives; `show` is for the trace. */
  call<T>(caller: Caller, what: string, serve: () => T, show: (reply: T) => string): Promise<T> {
    const label = `${caller.name} ${what}`;
    return new Promise((resolve, reject) => {
      const breakOff = () => {
        if (caller.alive) reject(unavailable(label));
      };
      const answer = (reply: T | LockstepError): Packet => ({
        label: `${label} = ${reply instanceof LockstepError ? reply.message : show(reply)}`,
        arrive: (fault) => {
          if (fault === 'lost' || fault === 'late') breakOff();
          else if (!caller.alive) return [];
          else if (reply instanceof LockstepError) reject(reply);
          else resolve(reply);
          return [];
        },
      });
      const served = () => {
        try {
          return serve();
        } catch (error) {
          if (error instanceof LockstepError) return error;
          throw error;
        }
      };
      const request: Packet = {
        label,
        arrive: (fault) => {
          if (fault === 'lost' || fault === 'late') breakOff();
          if (fault === 'lost') return [];
          if (fault === 'late') return [request];
          return fault === 'twice' ? [answer(served()), request] : [answer(served())];
        },
      };
      this.#inFlight.push(request);
    });
  }

  /** Something is in the log, and takes effect some time. */
  log(label: string, apply: (share: 'all' | 'half') => void): void {
    const packet: Packet = {
      label: `${label} out of the log`,
      arrive: (fault) => {
        if (fault !== 'lost') apply(fault === 'late' ? 'half' : 'all');
        return fault === 'twice' ? [packet] : [];
      },
    };
    this.#inFlight.push(packet);
  }

  /** Lets `caller` sleep for as long as the steps want. */
  sleep(caller: Caller): Promise<void> {
    return new Promise((resolve) => {
      const arrive = () => {
        if (caller.alive) resolve();
        return [];
      };
      this.#inFlight.push({ label: `${caller.name} wakes up`, arrive });
    });
  }

  /** Moves one packet; 0 picks the oldest. Returns what happened, for the trace. */
  step(pick: number, fault: Fault): string {
    const [packet] = this.#inFlight.splice(pick % this.#inFlight.length, 1);
    if (!packet) return 'nothing in flight';
    this.#inFlight.push(...packet.arrive(fault));
    return fault === 'none' ? packet.label : `${packet.label} [${fault}]`;
  }
}

export function unavailable(what: string): LockstepError {
  return new LockstepError('UNAVAILABLE', `${what}: connection lost`);
}
