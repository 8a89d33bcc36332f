import type { Command } from "commander";
import { connectAdmin } from "../client/admin-client.ts";
import {
  ADMIN_HELP,
  moment,
  withAdminOptions,
  type AdminOptions,
} from "../client/admin-options.ts";
import { memberOf } from "../client/channel-attributes.ts";
import { clientCommand } from "../client/client-command.ts";
import { CommandFailure, tellingFailures, UsageMistake } from "../client/command-failure.ts";
import { printJson } from "../client/print-json.ts";
import { printable } from "../client/printable.ts";

interface ReplayOptions extends AdminOptions {
  readonly webhook?: string;
  readonly app?: string;
  readonly since?: string;
  readonly until?: string;
  readonly all?: true;
}

/** `ringmaster webhooks replay` */
export function replayCommand(): Command {
  const command = clientCommand("replay")
    .description("Put dead letters back into the queue, to be sent again as if they were new.")
    .argument("[job]", "one of them, by the id that failed lists")
    .option("--webhook <name>", "those of this webhook: app/webhook, or its id alone")
    .option("--app <id>", "those of this app")
    .option(
      "--since <time>",
      "not those given up before: an ISO 8601 time, or how long ago",
      moment,
    )
    .option("--until <time>", "only those given up before, given likewise", moment)
    .option("--all", "all of all apps");
  return withAdminOptions(command)
    .addHelpText(
      "after",
      `
Each goes with the id that it had, so a receiver that got it after all can tell, and has its whole retry window before
it. Nothing is asked; the number is printed. Look first with webhooks failed, which takes the same filters.

Examples:
  ringmaster webhooks replay job_2b7e151628aed2a6
  ringmaster webhooks replay --webhook shop/orders --since 2h
  ringmaster webhooks replay --all
${ADMIN_HELP}`,
    )
    .action(tellingFailures(replay));
}

async function replay(job: string | undefined, options: ReplayOptions): Promise<void> {
  const { webhook, app, since, until, all, json } = options;
  const filter = { job, webhook, app, since, until };
  const isNarrowed = Object.values(filter).some((value) => value !== undefined);
  if (!isNarrowed && !all) {
    throw new UsageMistake("say which: a job's id, --webhook, --app, --since, --until, or --all");
  }
  if (isNarrowed && all) {
    throw new UsageMistake("--all goes with no filter; leave it out, or leave the filter out");
  }
  const client = await connectAdmin(options);
  const answer = await client.post("/webhooks/replay", all ? { all } : filter);
  const replayed = memberOf(answer, "replayed");
  if (job !== undefined && replayed === 0) {
    throw new CommandFailure(
      `there is no dead letter with the id ${printable(job)}; \`ringmaster webhooks failed\` lists them`,
    );
  }
  if (json) return printJson(answer);
  const letters = replayed === 1 ? "dead letter is" : "dead letters are";
  process.stdout.write(
    replayed === 0
      ? `There is no such dead letter (${client.address}).\n`
      : `${printable(String(replayed))} ${letters} back in the queue.\n`,
  );
}
