/** Opens Voucherify's management API, if its keys are configured. */

import type { Config } from '../config/config.ts';
import { VoucherifyApi } from '../voucherify/api.ts';
import { WebhookConfigurations } from '../voucherify/webhook-configuration.ts';

const timeoutMs = 30_000;

export type OurWebhooks = {
  readonly webhooks: WebhookConfigurations;
  /** The address of the bridge. */
  readonly targetUrl: string;
};

export function openWebhookConfigurations({
  project,
  management,
}: Config<'project' | 'management'>): OurWebhooks | undefined {
  const { id, token, targetUrl } = management;
  const { projectId, apiUrl: url } = project;
  if (!id || !token || !projectId || !targetUrl) return undefined;
  const api = new VoucherifyApi({ url, keys: 'management', appId: id, appToken: token, timeoutMs });
  return { webhooks: new WebhookConfigurations(api, projectId), targetUrl };
}
