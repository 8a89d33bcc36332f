import type { Command } from "commander";
import type { ShownVersion } from "../../ops/admin/sender-versions.ts";
import { connectAdmin } from "../client/admin-client.ts";
import {
  ADMIN_HELP,
  moment,
  withAdminOptions,
  type AdminOptions,
} from "../client/admin-options.ts";
import { clientCommand } from "../client/client-command.ts";
import { tellingFailures } from "../client/command-failure.ts";
import { printable } from "../client/printable.ts";
import { printJson } from "../client/print-json.ts";
import { table } from "../client/table.ts";

interface VersionsOptions extends AdminOptions {
  readonly since?: string;
}

/** `ringmaster webhooks versions` */
export function versionsCommand(): Command {
  const command = clientCommand("versions")
    .description("Compare the versions of the senders that share the work, as in a canary.")
    .option(
      "--since <time>",
      "attempts from then on: an ISO 8601 time, or how long ago (default: 10m)",
      moment,
    );
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
SENDERS is how many of that version are alive now. SHARE is its part of all attempts that receivers are to answer for, and
DELIVERED how many of its own succeeded. OWN FAULTS are attempts that failed on our side (dns, egress, shutdown) and count
for nothing. Half of its attempts took P50 at most, 99 of 100 P99.

Examples:
  ringmaster webhooks versions
  ringmaster webhooks versions --since 1h
  ringmaster webhooks versions --json | jq '.versions[] | {version, share, p99Ms}'
${ADMIN_HELP}`,
    )
    .action(tellingFailures(versions));
}

async function versions({ since, json, ...options }: VersionsOptions): Promise<void> {
  const client = await connectAdmin(options);
  const answer = await client.get("/webhooks/versions", { since });
  if (json) return printJson(answer);
  const list = client.listIn<ShownVersion>(answer, "versions");
  const heading = "VERSION|SENDERS|SHARE|ATTEMPTS|DELIVERED|OWN FAULTS|P50|P99|LAST ATTEMPT".split(
    "|",
  );
  process.stdout.write(
    list.length === 0
      ? `No sender is alive, and none made an attempt in that time (${client.address}).\n`
      : table([heading, ...list.map(row)]),
  );
}

function row(shown: ShownVersion): string[] {
  const { version, senders, share, delivered, failed, ownFaults, p50Ms, p99Ms, lastAt } = shown;
  const attempts = delivered + failed;
  return [
    printable(version) || "-",
    String(senders),
    percentText(share),
    String(attempts),
    percentText(attempts === 0 ? null : delivered / attempts),
    String(ownFaults),
    millisecondsText(p50Ms),
    millisecondsText(p99Ms),
    lastAt === null ? "-" : printable(lastAt),
  ];
}

/** Cut, not rounded: 100 % is all of them. */
function percentText(share: number | null): string {
  return share === null ? "-" : `${(Math.floor(share * 1_000 + 1e-9) / 10).toFixed(1)} %`;
}

function millisecondsText(ms: number | null): string {
  return ms === null ? "-" : `${ms} ms`;
}
