/** Debian's Chromium, driven by playwright-core, and axe-core's checks in it. */

import axe from 'axe-core';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

export type Theme = 'light' | 'dark';

export type Visit = AsyncDisposable & {
  readonly page: Page;
  /** Errors of scripts, and what the content security policy refused. */
  readonly complaints: readonly string[];
};

export async function openBrowser(): Promise<
  AsyncDisposable & {
    /** Opens a browser of its own: no cookies. */
    readonly visit: (theme: Theme, width?: number) => Promise<Visit>;
  }
> {
  const browser = await chromium.launch({
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
    // CI runs as root, where the sandbox does not start.
    args: ['--no-sandbox'],
  });
  return {
    visit: async (theme, width = 1280) => {
      const viewport = { width, height: 900 };
      const context: BrowserContext = await browser.newContext({ colorScheme: theme, viewport });
      const page = await context.newPage();
      page.setDefaultTimeout(90_000);
      const complaints: string[] = [];
      page.on('pageerror', (error) => complaints.push(String(error)));
      page.on('console', (line) => {
        // The browser says so of each 403 and 404, which tests provoke.
        const isStatus = line.text().startsWith('Failed to load resource');
        if (line.type() === 'error' && !isStatus) complaints.push(line.text());
      });
      return { page, complaints, [Symbol.asyncDispose]: () => context.close() };
    },
    [Symbol.asyncDispose]: () => browser.close(),
  };
}

/** Returns what axe-core finds on the page: rule, element and message. */
export async function violationsOn(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found = await page.evaluate(async () => {
    const { axe: checks } = globalThis as unknown as { axe: typeof axe };
    return (await checks.run()).violations;
  });
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target.join(' ')}: ${failureSummary}`),
  );
}
