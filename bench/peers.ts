/**
 * The Java peers, built when they are needed: what a careful engineer would build for the same job
 * (bench/peers).
 */

import { type ChildProcess, execFileSync } from 'node:child_process';
import { globSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { newestJava } from '../test/support/jars.ts';
import { startProcess } from './process.ts';
import { say } from './setting.ts';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));

let java: string | undefined;

/** @throws Error that says what to install */
export async function startPeer(
  name: 'HttpBridge' | 'StreamsPeer',
  env: NodeJS.ProcessEnv,
): Promise<ChildProcess> {
  java ??= await built();
  const args = [
    ...['-Xms512m', '-Xmx1g', '-XX:+UseParallelGC', '--enable-native-access=ALL-UNNAMED'],
    // A peer that makes no progress shows in the figures; after a kill Streams writes pages.
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=off',
    ...['-cp', `${file('peers/target/peers.jar')}:${file('peers/target/lib')}/*`],
    `peers.${name}`,
  ];
  return startProcess(java, args, env);
}

async function built(): Promise<string> {
  const found = await newestJava();
  if (!found) throw new Error('the peers need Java 17 or newer, and Maven');
  const builtAt = statSync(file('peers/target/peers.jar'), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = globSync(['pom.xml', 'src/**/*.{java,avsc}'], { cwd: file('peers') });
  if (sources.some((source) => statSync(file(`peers/${source}`)).mtimeMs > builtAt)) {
    say('building the peers with Maven');
    execFileSync('mvn', ['-q', '-B', 'package'], { cwd: file('peers'), stdio: 'inherit' });
  }
  return found.path;
}
