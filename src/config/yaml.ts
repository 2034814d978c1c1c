/** Writes YAML, for the resources that commands print. */

export { stringify as toYaml } from 'yaml';
