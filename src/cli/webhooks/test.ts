import { Option, type Command } from "commander";
import type { ShownAttempt } from "../../ops/admin/webhook-history.ts";
import type { ShownWebhook } from "../../ops/admin/webhook-overview.ts";
import { faultOf } from "../../sender/fault.ts";
import { connectAdmin, type AdminClient } from "../client/admin-client.ts";
import { ADMIN_HELP, withAdminOptions, type AdminOptions } from "../client/admin-options.ts";
import { memberOf } from "../client/channel-attributes.ts";
import { clientCommand, wholeNumber } from "../client/client-command.ts";
import { CommandFailure, tellingFailures } from "../client/command-failure.ts";
import { printJson } from "../client/print-json.ts";
import { printable } from "../client/printable.ts";
import { nameIn, nameOf, stateText } from "./webhook-text.ts";

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 3_600_000;
const POLL_INTERVAL_MS = 250;

/** What went wrong where there was no answer, to stand behind the webhook's name. */
const FAULTS: Readonly<Partial<Record<ShownAttempt["result"], string>>> = {
  timeout: "gave no complete answer in time",
  refused: "cannot be reached: nobody listens at its address",
  connection: "broke the connection, or did not answer in HTTP",
  tls: "could not be spoken to by TLS",
  address: "has an address that the server may not connect to",
  dns: "has a name that the server could not resolve",
  egress: "could not be reached: the server has no way out",
  shutdown: "was not sent to: the sender was stopped meanwhile",
};

interface TestOptions extends AdminOptions {
  readonly timeout?: number;
}

/** `ringmaster webhooks test` */
export function testCommand(): Command {
  const command = clientCommand("test")
    .description(
      "Send a webhook a test event, through the queue as any other, and tell how it went.",
    )
    .argument("<webhook>", "app/webhook, or its id alone")
    .addOption(
      new Option(
        "--timeout <ms>",
        `how long to wait for the outcome (default: ${DEFAULT_TIMEOUT_MS})`,
      ).argParser(wholeNumber(MAX_TIMEOUT_MS)),
    );
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
The event is about a channel that has ringmaster-test in its name, and signed like all others. The first attempt
counts; where the fault is the server's own (DNS, no way out), the next ones are waited for, until --timeout.
Exit code 0: delivered. 1: not, and why.

Examples:
  ringmaster webhooks test shop/orders
  ringmaster webhooks test orders --json | jq .durationMs
${ADMIN_HELP}`,
    )
    .action(tellingFailures(test));
}

async function test(webhook: string, options: TestOptions): Promise<void> {
  const { timeout: timeoutMs = DEFAULT_TIMEOUT_MS } = options;
  const client = await connectAdmin(options);
  const asked = await client.post("/webhooks/test", { webhook });
  const job = String(memberOf(asked, "job"));
  const attempt = await outcomeOf(client, nameIn(asked), job, timeoutMs);
  if (options.json) printJson(attempt);
  if (attempt.result !== "delivered") throw notDelivered(attempt);
  if (options.json) return;
  process.stdout.write(
    `Delivered to ${nameOf(attempt)}: status ${attempt.status} after ${attempt.durationMs} ms (job ${printable(job)}).\n`,
  );
}

/** The attempt that counts. Throws `CommandFailure` when there was none in time. */
async function outcomeOf(
  client: AdminClient,
  name: string,
  job: string,
  timeoutMs: number,
): Promise<ShownAttempt> {
  const patience = AbortSignal.timeout(timeoutMs);
  let last: ShownAttempt | undefined;
  for (;;) {
    const answer = await client.get("/webhooks/attempts", { job });
    const attempts = client.listIn<ShownAttempt>(answer, "attempts");
    const counted = attempts.findLast(({ result }) => faultOf(result) !== "ours");
    if (counted !== undefined) return counted;
    const [newest] = attempts;
    if (newest !== undefined && newest.at !== last?.at) {
      process.stderr.write(`${faultText(newest)}; the server tries again\n`);
      last = newest;
    }
    if (patience.aborted) {
      throw last === undefined ? await neverTried(client, name, timeoutMs) : notDelivered(last);
    }
    await Bun.sleep(POLL_INTERVAL_MS);
  }
}

function notDelivered(attempt: ShownAttempt): CommandFailure {
  return new CommandFailure(`${faultText(attempt)} (job ${printable(attempt.job)})`);
}

function faultText(attempt: ShownAttempt): string {
  const { result, status, durationMs, detail } = attempt;
  const what = status === null ? (FAULTS[result] ?? printable(result)) : `answered ${status}`;
  const said = detail === null || detail === "" ? "" : `: ${printable(detail)}`;
  return `${nameOf(attempt)} ${what} after ${durationMs} ms${said}`;
}

/** The test waits in the queue; the webhook's state says why. */
async function neverTried(
  client: AdminClient,
  name: string,
  timeoutMs: number,
): Promise<CommandFailure> {
  const answer = await client.get("/webhooks", {});
  const shown = client
    .listIn<ShownWebhook>(answer, "webhooks")
    .find((webhook) => nameOf(webhook) === name);
  const state = shown === undefined ? "gone" : stateText(shown);
  const why =
    state === "active"
      ? `is a sender running? ${shown?.due ?? 0} of its webhooks wait`
      : `it is ${state}`;
  return new CommandFailure(`nobody tried to deliver to ${name} within ${timeoutMs} ms: ${why}`);
}
