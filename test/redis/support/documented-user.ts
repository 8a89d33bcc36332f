import { readFileSync } from "node:fs";

/** The command that makes the user of docs/operations.md, with another password, prefix and name. */
export function documentedUser(name: string, password: string, prefix = "ringmaster"): string[] {
  const rule = /^ACL SETUSER ringmaster .+$/m.exec(readFileSync("docs/operations.md", "utf8"))?.[0];
  if (rule === undefined) throw new Error("docs/operations.md has no rule for a user.");
  return rule
    .replace("SETUSER ringmaster", `SETUSER ${name}`)
    .replace(">PASSWORD", `>${password}`)
    .replaceAll(/([~&])ringmaster:/g, `$1${prefix}:`)
    .split(" ");
}
