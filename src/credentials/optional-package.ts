/** Loads packages that only some deployments need, and that those install themselves. */

import { AppError } from '../errors.ts';

/** @throws AppError CONFIG_INVALID that says what to install */
export async function loadOptional<T>(
  name: string,
  setting: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const text = `${setting} needs the package ${name}, which is not installed: run \`npm install ${name}\`, or build the image with --build-arg PACKAGES=${name}`;
    throw new AppError('CONFIG_INVALID', 'stop', text, error);
  }
}
