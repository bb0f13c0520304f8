/** The exact commands that turn a base into a running target. */

export interface RestoreCommands {
  /** Restore, then start. */
  single: string[];
  /** The same for each of three members, on its own host; all restore the same file. */
  three: string[];
}

const THREE = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];

/** @param base path of the file */
export function restoreCommands(base: string): RestoreCommands {
  return {
    single: member(base, 'pods-0', '127.0.0.1', 'pods-0=http://127.0.0.1:2380'),
    three: THREE.flatMap((host, i) => member(base, `pods-${i}`, host, cluster(THREE))),
  };
}

function cluster(hosts: readonly string[]): string {
  return hosts.map((host, i) => `pods-${i}=http://${host}:2380`).join(',');
}

function member(base: string, name: string, host: string, initial: string): string[] {
  const peer = `http://${host}:2380`;
  const client = `http://${host}:2379`;
  return [
    `etcdutl snapshot restore ${base} --data-dir ${name}.etcd --name ${name} --initial-cluster ${initial} --initial-cluster-token pods --initial-advertise-peer-urls ${peer}`,
    `etcd --data-dir ${name}.etcd --name ${name} --listen-peer-urls ${peer} --listen-client-urls ${client} --advertise-client-urls ${client}`,
  ];
}

export function restoreText({ single, three }: RestoreCommands): string {
  return [
    'Restore and start it as one member (on etcd 3.4: etcdctl instead of etcdutl):',
    ...single.map((line) => `  ${line}`),
    'or as several, two lines on each host, with your addresses for 10.0.0.x, all from the same file:',
    ...three.map((line) => `  ${line}`),
  ].join('\n');
}
