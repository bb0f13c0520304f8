/** The exact commands that turn a base into a running target. */

export interface RestoreCommands {
  single: string[];
  /** One per member, each for its own host; all restore the same file. */
  three: string[];
}

const THREE = ['10.0.0.1', '10.0.0.2', '10.0.0.3'];

/** @param base path of the file */
export function restoreCommands(base: string): RestoreCommands {
  const members = THREE.map((host, i) => ({ name: `pods-${i}`, peer: `http://${host}:2380` }));
  const cluster = members.map(({ name, peer }) => `${name}=${peer}`).join(',');
  return {
    single: [restore(base, 'pods-0', 'pods-0=http://127.0.0.1:2380', 'http://127.0.0.1:2380')],
    three: members.map(({ name, peer }) => restore(base, name, cluster, peer)),
  };
}

function restore(base: string, name: string, cluster: string, peer: string): string {
  return `etcdutl snapshot restore ${base} --data-dir ${name}.etcd --name ${name} --initial-cluster ${cluster} --initial-cluster-token pods --initial-advertise-peer-urls ${peer}`;
}

export function restoreText({ single, three }: RestoreCommands): string {
  return [
    'Restore it as one member (on etcd 3.4: etcdctl instead of etcdutl):',
    ...single.map((line) => `  ${line}`),
    'or as several, each line on its own host with its own address, all from the same file:',
    ...three.map((line) => `  ${line}`),
  ].join('\n');
}
