/** Signing in, and errors. */

import { type Html, html } from '../html.ts';

export function signInPage(hasTokens: boolean, isWrong: boolean): Html {
  if (!hasTokens) {
    return html`<p>A proxy in front of the console signs people in (CONSOLE_TRUSTED_PROXIES). This request did not come through it.</p>`;
  }
  return html`${isWrong ? html`<p role="alert">That token is not one of the console's.</p>` : ''}
<form method="post" action="/sign-in">
<label for="token">Token (CONSOLE_VIEWER_TOKEN or CONSOLE_OPERATOR_TOKEN)</label>
<input id="token" name="token" type="password" required autocomplete="current-password">
<button>Sign in</button>
</form>`;
}

export function errorPage(message: string): Html {
  return html`<section class="empty" role="alert"><h2>This page could not be made</h2><p>${message}</p>
<p><a href="/">Now</a> shows whether all is well; it needs no Kafka.</p></section>`;
}
