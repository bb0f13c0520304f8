/** SIGHUP, where a command was given what can be read again: by a context that records what is done with it. */
import { expect } from 'chai';
import { Steered } from '../../src/cli/steered.js';
import type { Context } from '../../src/cli/command.js';
import type { Options } from '../../src/config/options.js';
import { badArgument } from '../../src/errors.js';

type Given = Partial<Options> & { journal: string };

/** What a command would be, as far as it is steered. */
class Command {
  readonly told: string[] = [];
  hangup: (() => Promise<void>) | undefined;
  readonly steered: Steered;

  constructor(given: Given, reread: (() => Given) | undefined) {
    const tell = (level: string) => (text: string) => {
      this.told.push(`${level}: ${text}`);
    };
    const log = { info: tell('info'), warn: tell('warn'), error: tell('error') };
    const context = {
      ...{ log: log as unknown as Context['log'], note: () => undefined, stop: () => undefined },
      setLogLevel: () => undefined,
      onHangup: (act: () => Promise<void>) => {
        this.hangup = act;
      },
    };
    this.steered = new Steered(given, context, () => undefined);
    // eslint-disable-next-line @typescript-eslint/require-await -- what it throws is to be a rejection
    this.steered.heedHangups(given, reread && (async () => reread()));
  }
}

describe('SIGHUP', () => {
  const given: Given = { journal: 'j', maxRate: 500, auditRate: 1024, logLevel: 'info' };

  it('is left to stop the command where there is nothing to be read again', () => {
    expect(new Command(given, undefined).hangup).to.equal(undefined);
  });

  it('takes into effect what can be, names what cannot, and does so once for each change', async () => {
    let now: Given = { ...given };
    const command = new Command(given, () => now);
    await command.hangup?.();
    expect(command.told.splice(0)).to.deep.equal(['info: SIGHUP: nothing has changed']);
    expect(command.steered.steering).to.deep.equal({});

    now = { ...given, maxRate: 200, auditEvery: 3600, endpoints: ['http://b:2379'] };
    await command.hangup?.();
    expect(command.told.splice(0)).to.deep.equal([
      'info: SIGHUP: the target is written with 200 revisions a second at most (before: with 500 revisions a second at most)',
      'info: SIGHUP: it audits every 1h00m (before: when it is asked to)',
      'warn: SIGHUP: --endpoints has changed, which needs a restart to take effect',
    ]);
    const { steering } = command.steered;
    expect(steering).to.deep.include({ maxRate: 200, auditEverySeconds: 3600 });

    await command.hangup?.();
    expect(command.told.splice(0)).to.deep.equal(['info: SIGHUP: nothing has changed']);

    const { maxRate: _rate, auditEvery: _every, ...less } = now;
    now = { ...less, logLevel: 'warn' };
    await command.hangup?.();
    expect(steering).to.deep.include({ maxRate: null, auditEverySeconds: null });
    expect(command.told).to.include('info: SIGHUP: the log level is warn (before: info)');
  });

  it('changes nothing where what it was given cannot be read, and says why', async () => {
    const command = new Command(given, () => {
      throw badArgument('--max-rate "x": must be a whole number', 'See --help.');
    });
    await command.hangup?.();
    expect(command.told).to.deep.equal([
      'error: SIGHUP: nothing is changed: --max-rate "x": must be a whole number. See --help.',
    ]);
    expect(command.steered.steering).to.deep.equal({});
  });
});
