import { join } from "node:path";
import type { TestContext } from "node:test";
import type { AppEntry } from "./apps.ts";
import { Ringmaster, type Configuration, type RingmasterOptions } from "./ringmaster.ts";

export interface WebhookServerOptions extends Omit<RingmasterOptions, "config"> {
  readonly apps: readonly AppEntry[];
  readonly sender?: Readonly<Record<string, unknown>>;
  /** The other settings of the file. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly expectedErrors?: readonly string[];
}

/** Receivers of a test are on this machine, where no webhook goes unless it is allowed. */
export function webhookConfig(
  apps: readonly AppEntry[],
  sender: WebhookServerOptions["sender"] = {},
  settings: WebhookServerOptions["settings"] = {},
): Configuration {
  return { ...settings, sender: { allowedNetworks: ["127.0.0.0/8"], ...sender }, apps };
}

/** Runs for one test. At its end it must stop without an error in its log, unless it was killed. */
export async function webhookServer(
  t: TestContext,
  { apps, sender, settings, expectedErrors = [], ...options }: WebhookServerOptions,
): Promise<Ringmaster> {
  const server = await Ringmaster.start({
    ...options,
    config: webhookConfig(apps, sender, settings),
  });
  t.after(() => server.stop({ expectedErrors }));
  return server;
}

/** Where the next process finds what this one has left. */
export function dataOf({ folder }: Ringmaster): string {
  return join(folder, "data");
}
