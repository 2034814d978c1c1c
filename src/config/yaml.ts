/** Formats an object as YAML. */

export { stringify as toYaml } from 'yaml';
