import { InvalidArgumentError, type Command } from "commander";
import { MOMENT_RIGHT, momentOf } from "../../ops/admin/moment.ts";

export const ADMIN_URL_VARIABLE = "RINGMASTER_ADMIN_URL";
export const ADMIN_TOKEN_VARIABLE = "RINGMASTER_ADMIN_TOKEN";

export const DEFAULT_OPS_PORT = 9_601;

/** The options of a command that asks the operations port. */
export interface AdminOptions {
  readonly admin?: string;
  readonly tokenFile?: string;
  readonly json?: true;
}

/** Adds the options that say which server a command is about, and how it may ask it. */
export function withAdminOptions(command: Command): Command {
  return command
    .helpOption("-h, --help", "show this help")
    .option("--json", "print the server's answer, as JSON")
    .optionsGroup("Which server:")
    .option(
      "--admin <url>",
      `its operations port (${ADMIN_URL_VARIABLE}; default: http://127.0.0.1:${DEFAULT_OPS_PORT})`,
    )
    .option(
      "--token-file <file>",
      `file with the server's ops.adminToken (or ${ADMIN_TOKEN_VARIABLE} with the token itself)`,
    );
}

/** For the end of a command's help. */
export const ADMIN_HELP = `
Without --admin, the command talks to the server on this machine. One that has no ops.adminToken answers programs on
its own machine alone (on Kubernetes, kubectl port-forward makes you one); one that has it wants the token from
everybody. There is no option for the token itself: every user of the machine could read it (ps).`;

/** The parser of an option that takes a moment; the text goes to the server, whose clock counts. */
export function moment(text: string): string {
  if (momentOf(text, 0) !== undefined) return text;
  throw new InvalidArgumentError(`It must be ${MOMENT_RIGHT}.`);
}
