/** `${NAME}` in a value of a config file: what the variable holds. `$${` stands for `${` itself. */

interface Substituted {
  text: string;
  /** Something of it came from a variable, and may be a secret. */
  filled: boolean;
}

/**
 * Once, from left to right: what a variable holds is taken as it is, `${` in it too.
 * @param fault is told what cannot be replaced; the value of a variable is never in it
 */
export function substitute(
  written: string,
  environment: NodeJS.ProcessEnv,
  fault: (what: string) => void,
): Substituted {
  let filled = false;
  const text = written.replaceAll(
    /\$\$\{|\$\{([^}]*)\}?/g,
    (found: string, name: string | undefined) => {
      if (name === undefined) return '${';
      if (!/^[A-Za-z_]\w*$/.test(name) || !found.endsWith('}')) {
        fault('holds a ${ that no ${NAME} follows from; $${ stands for ${ itself');
        return found;
      }
      const value = environment[name];
      if (value === undefined) fault(`needs the variable ${name}, which is not set`);
      filled = true;
      return value ?? '';
    },
  );
  return { text, filled };
}
