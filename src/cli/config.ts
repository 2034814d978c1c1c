/** `voucherbus config`: prints every setting. */

import { configTable } from '../config/table.ts';
import type { Command } from './command.ts';

export const command: Command = {
  summary: 'prints every environment variable with its default and meaning',
  usage: 'voucherbus config',
  run: async (_, io) => {
    io.out(configTable());
    io.out('\nA value X may also be given as X_FILE, the path of a file that holds it.');
    return 0;
  },
};
