import type { DefaultApp } from "../../ops/config/default-app.ts";
import { signingKey, type App } from "../../protocol/app.ts";
import { finding, type Finding } from "./finding.ts";

/** Whether what is configured fits what the process is to do. */
export function appFindings(
  apps: readonly App[],
  defaultApp: DefaultApp | null,
  isShared: boolean,
): Finding[] {
  const withWebhooks = apps.filter(({ webhooks }) => webhooks.length > 0);
  const unsigned = withWebhooks.filter((app) => signingKey(app) === undefined);
  const found: Finding[] = [];
  if (unsigned.length > 0)
    found.push(
      finding(
        "webhooks",
        "problem",
        `no key of ${unsigned.map(({ id }) => `app ${id}`).join(", ")} is active, so nothing can sign its webhooks and none is sent; activate one`,
      ),
    );
  else if (withWebhooks.length === 0)
    found.push(
      finding("webhooks", "ok", "no app has one: nothing in the store is owed to anybody"),
    );
  else {
    const count = withWebhooks.reduce((sum, { webhooks }) => sum + webhooks.length, 0);
    found.push(finding("webhooks", "ok", `${count}, each of an app with a key that signs`));
  }
  // Credentials that a machine made for itself are unknown to all the others.
  if (isShared && defaultApp !== null && defaultApp.secretOrigin.kind === "file")
    found.push(
      finding(
        "credentials",
        "warning",
        `those of the default app are in ${defaultApp.secretLocation}, made by this machine: processes on others make their own, and ` +
          "do not know each other's clients; give all of them the same apps in a file, or RINGMASTER_APP_KEY and RINGMASTER_APP_SECRET",
      ),
    );
  return found;
}
