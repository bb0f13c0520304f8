/** docs/hooks.md: the table of events is that of the code, and the scripts do what they say, on real files. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EVENTS } from '../../src/hooks/events.js';
import { removeFolder } from '../rig/child.js';
import { blocksOf, section, tableRows } from './pages.js';

const PAGE = 'docs/hooks.md';
const OVERRIDES = String.raw`/events#https://10.0.2.1:2379,/pods#https://10.0.1.1:2379;https://10.0.1.2:2379`;

function script(says: string): string {
  const found = blocksOf(PAGE).find(({ text }) => text.includes(`\n# ${says}`));
  if (!found) throw new Error(`${PAGE} has no script that says ${says}`);
  return found.text;
}

describe('docs/hooks.md', () => {
  it('has every event, in the words of the code', () => {
    const rows = tableRows(section(PAGE, '## On events'));
    expect(rows).to.deep.equal(Object.entries(EVENTS).map(([name, when]) => [`\`${name}\``, when]));
  });
});

/** What a script calls of these is only written down. */
class Host {
  readonly dir = mkdtempSync(join(tmpdir(), 'host-'));
  readonly #bin = join(this.dir, 'bin');

  constructor(stubs: Record<string, string>) {
    mkdirSync(this.#bin);
    mkdirSync(join(this.dir, 'manifests'));
    for (const [name, does] of Object.entries({ sleep: '', ...stubs })) {
      const path = join(this.#bin, name);
      writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "${name} $*" >> ${this.dir}/calls\n${does}\n`);
      chmodSync(path, 0o755);
    }
  }

  file(name: string): string {
    return join(this.dir, name);
  }

  read(name: string): string {
    return readFileSync(this.file(name), 'utf8');
  }

  /** Those since the last time. */
  calls(): string[] {
    const all = this.read('calls').split('\n').filter(Boolean);
    writeFileSync(this.file('calls'), '');
    return all;
  }

  run(text: string, args: string[], env: Record<string, string>, input = '') {
    const { status, stderr } = spawnSync('sh', ['-ec', text, 'script', ...args], {
      ...{ encoding: 'utf8', timeout: 20_000, input },
      env: { PATH: `${this.#bin}:${process.env['PATH'] ?? ''}`, ...env },
    });
    return { status, stderr };
  }
}

const MANIFEST = `spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.0.0.1
    - --etcd-servers=https://10.0.0.1:2379
    image: registry.k8s.io/kube-apiserver:v1.31
    name: kube-apiserver
`;

describe('docs/hooks.md: set-overrides', () => {
  let host: Host;
  /** Alive from the third time on. */
  const alive = 'n=$(grep -c ^curl "${0%/bin/*}/calls"); [ "$n" -ge 3 ]';
  afterEach(() => {
    removeFolder(host.dir);
  });

  it('of a static pod: puts the flag in, replaces it, takes it out, and leaves no other file', () => {
    host = new Host({ curl: alive, pgrep: 'exit 1' });
    const manifest = host.file('manifests/kube-apiserver.yaml');
    writeFileSync(manifest, MANIFEST);
    const set = (value: string) =>
      host.run(script('set-overrides: on a host whose kubelet'), [value], {
        MANIFEST: manifest,
        LIVEZ: 'https://10.0.0.1:6443/livez',
      });
    for (const value of [OVERRIDES, `${OVERRIDES}&|\\x`, OVERRIDES]) {
      expect(set(value)).to.deep.equal({ status: 0, stderr: '' });
      const put = MANIFEST.replace(
        '- kube-apiserver\n',
        () => `- kube-apiserver\n    - "--etcd-servers-overrides=${value}"\n`,
      );
      expect(readFileSync(manifest, 'utf8')).to.equal(put);
      expect(readdirSync(host.file('manifests'))).to.deep.equal(['kube-apiserver.yaml']);
      const asked = host.calls().filter((call) => call.startsWith('curl'));
      expect(asked.length).to.equal(3);
      expect(asked[0]).to.match(/ https:\/\/10\.0\.0\.1:6443\/livez$/);
    }
    expect(set(OVERRIDES).status).to.equal(0);
    expect(host.calls().some((call) => call.startsWith('pgrep'))).to.equal(false);
    expect(set('').status).to.equal(0);
    expect(readFileSync(manifest, 'utf8')).to.equal(MANIFEST);
  });

  it('of a static pod: a manifest without the line, or an apiserver that does not come back, is a failure', () => {
    host = new Host({ curl: 'exit 7', pgrep: 'exit 1' });
    const manifest = host.file('manifests/kube-apiserver.yaml');
    const set = () =>
      host.run(script('set-overrides: on a host whose kubelet'), [OVERRIDES], {
        MANIFEST: manifest,
      });
    const other = MANIFEST.replace('- kube-apiserver\n', '- /usr/local/bin/kube-apiserver\n');
    writeFileSync(manifest, other);
    expect(set().status).to.equal(1);
    expect(readFileSync(manifest, 'utf8')).to.equal(other);
    writeFileSync(manifest, MANIFEST);
    expect(set()).to.deep.equal({
      ...{ status: 1, stderr: 'https://127.0.0.1:6443/livez does not answer\n' },
    });
  });

  it('of a unit: sets the variable, restarts it, waits until it answers', () => {
    host = new Host({ curl: alive, systemctl: '' });
    const file = host.file('overrides.env');
    writeFileSync(file, 'OTHER=1\nETCD_OVERRIDES=""\n');
    const set = (value: string) =>
      host.run(script('set-overrides: on a host where systemd'), [value], { OVERRIDES_FILE: file });
    for (const value of [OVERRIDES, `${OVERRIDES}&|\\x`, '']) {
      expect(set(value)).to.deep.equal({ status: 0, stderr: '' });
      expect(readFileSync(file, 'utf8')).to.equal(`OTHER=1\nETCD_OVERRIDES="${value}"\n`);
      const [first, ...others] = host.calls();
      expect(first).to.equal('systemctl restart kube-apiserver');
      expect(others.filter((call) => call.startsWith('curl')).length).to.equal(3);
    }
    writeFileSync(file, 'OTHER=1\n');
    expect(set(OVERRIDES).status).to.equal(1);
  });
});

const JQ = spawnSync('jq', ['--version']).status === 0;

describe('docs/hooks.md: who is told', () => {
  const about = {
    host: 'h',
    command: 'follow',
    text: 'so it is',
    incident: 'follow/b2/x',
    id: 'r-1',
  };
  let host: Host;
  beforeEach(() => {
    host = new Host({
      cat: 'echo s3cret',
      mail: 'exec tee "${0%/bin/*}/mail" > /dev/null',
      curl: 'while [ $# -gt 1 ]; do [ "$1" = --data ] && sent=$2; shift; done; printf %s "$sent" > "${0%/bin/*}/sent"',
    });
  });
  afterEach(() => {
    removeFolder(host.dir);
  });
  const tell = (says: string, event: Record<string, unknown>) => {
    writeFileSync(host.file('sent'), '');
    const input = `${JSON.stringify({ ...about, ...event })}\n`;
    const env = { LOCKSTEP_EVENT: String(event['event']) };
    expect(host.run(script(says), [], env, input)).to.deep.equal({ status: 0, stderr: '' });
    return host.read('sent');
  };

  it('mail: what somebody has to read, and nothing else', () => {
    tell('mail.sh', { event: 'alarm' });
    expect(host.calls()).to.deep.equal(['mail -s etcd-lockstep: alarm oncall@example.com']);
    expect(host.read('mail')).to.contain('"text":"so it is"');
    writeFileSync(host.file('calls'), '');
    tell('mail.sh', { event: 'step' });
    expect(host.calls()).to.deep.equal([]);
  });

  it('a pager: opens and closes by the same key, and what is no news is not sent', function () {
    if (!JQ) this.skip();
    const page = (event: Record<string, unknown>) => {
      const sent = tell('page.sh', event);
      if (sent === '') return null;
      const { event_action, dedup_key, payload, routing_key } = JSON.parse(sent) as Record<
        string,
        unknown
      >;
      expect(payload).to.deep.equal({ summary: 'so it is', source: 'h', severity: 'critical' });
      expect(routing_key).to.equal('s3cret');
      return [event_action, dedup_key];
    };
    expect(page({ event: 'lockstep-lost' })).to.deep.equal(['trigger', 'follow/b2/x']);
    expect(page({ event: 'lockstep-reached' })).to.deep.equal(['resolve', 'follow/b2/x']);
    expect(page({ event: 'trouble' })?.[0]).to.equal('trigger');
    expect(page({ event: 'trouble-over' })?.[0]).to.equal('resolve');
    expect(page({ event: 'alarm', incident: null })).to.deep.equal(['trigger', 'r-1']);
    expect(page({ event: 'audit', result: 'different' })?.[0]).to.equal('trigger');
    expect(page({ event: 'audit', result: 'equal' })?.[0]).to.equal('resolve');
    expect(page({ event: 'end', exitCode: 5, incident: null })).to.deep.equal(['trigger', 'r-1']);
    for (const event of ['step', 'end']) expect(page({ event, exitCode: 0 }), event).to.equal(null);
    expect(page({ event: 'audit', result: 'failed' })).to.equal(null);
  });
});
