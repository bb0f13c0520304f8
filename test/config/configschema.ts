/** The JSON schema of a config file, for editors: made of the table of options. */
import type { OptionSpec } from '../../src/config/kinds.js';
import { flagOf, OPTIONS } from '../../src/config/options.js';
import { MIGRATIONS, PLACES } from '../../src/config/places.js';

type Schema = Record<string, unknown>;

/** In place of any value. */
const VARIABLE = { type: 'string', pattern: String.raw`\$\{[A-Za-z_]\w*\}` };

/** Of a migration. */
const NAME = String.raw`^[A-Za-z0-9][\w.-]*$`;

export function configSchema(): Schema {
  const root: Record<string, Schema> = {};
  for (const [place, name] of PLACES) {
    const [first = '', key] = place.split('.');
    const { help, default: fallback, ...spec }: OptionSpec<unknown> = OPTIONS[name];
    const notes = [flagOf(name), ...(fallback === undefined ? [] : [`default: ${fallback}`])];
    const leaf = { description: `${help} (${notes.join('; ')})`, ...valueOf(spec, name) };
    if (key === undefined) root[first] = leaf;
    else Object.assign((root[first] ??= section())['properties'] as Schema, { [key]: leaf });
  }
  // Below a name the same as in a file that is one migration.
  const migration = { ...section(), properties: { ...root } };
  root[MIGRATIONS] = {
    description: 'Several migrations, by name: each has over what all share what is its own.',
    type: ['object', 'null'],
    patternProperties: { [NAME]: migration },
    additionalProperties: false,
  };
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'The config file of etcd-lockstep',
    description: 'docs/reference.md says what it means. Made of src/config/options.ts.',
    type: 'object',
    properties: root,
    additionalProperties: false,
  };
}

/** One whose keys are all commented out is nothing. */
function section(): Schema {
  return { type: ['object', 'null'], properties: {}, additionalProperties: false };
}

function valueOf({ kind }: Pick<OptionSpec<unknown>, 'kind'>, name: keyof typeof OPTIONS): Schema {
  switch (kind) {
    case 'switch':
      return { anyOf: [{ type: 'boolean' }, { enum: ['true', 'false'] }, VARIABLE] };
    case 'list': {
      const one = { type: ['string', 'number', 'boolean'], minLength: 1 };
      return { anyOf: [one, { type: 'array', items: one, minItems: 1 }] };
    }
    case 'choice':
      return { anyOf: [{ enum: choicesOf(name) }, VARIABLE] };
    case 'number':
      return {
        anyOf: [{ type: 'integer' }, { type: 'string', pattern: String.raw`^\d+$` }, VARIABLE],
      };
    case 'duration':
    case 'size':
      return { anyOf: [{ type: 'number' }, { type: 'string', minLength: 1 }] };
    case 'text':
    case 'file':
    case 'folder':
      return { type: ['string', 'number', 'boolean'], minLength: 1 };
  }
}

function choicesOf(name: keyof typeof OPTIONS): readonly string[] {
  return (OPTIONS[name].schema as unknown as { options: readonly string[] }).options;
}
