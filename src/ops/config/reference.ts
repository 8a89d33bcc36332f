import { fileFields } from "./app-entry.ts";
import { boundsOf } from "./explanation.ts";
import type { Effect, Field } from "./field.ts";
import { settingsFields } from "./settings.ts";

const INTRODUCTION = `# Configuration

<!-- Written by \`npm run docs\` from the schema in src/ops/config. A test fails when the two differ. -->

Ringmaster starts without any configuration: one default app, plain sockets and HTTP on port 6001. Everything below is for
when that is not enough.

\`\`\`yaml
# ringmaster.yaml: ringmaster serve --config ringmaster.yaml
port: 6001
apps:
  - id: "1"
    name: shop
    keys:
      - key: 8f2c1d0e9b7a6f5e4d3c
        secret: { env: SHOP_SECRET } # or { file: /run/secrets/shop }, or the secret itself
    clientEvents: true
    webhooks:
      - url: https://shop.example.com/webhooks
        events: [channel_occupied, channel_vacated, client_event]
        channelPrefix: presence-
        headers:
          authorization: { env: SHOP_WEBHOOK_TOKEN }
    limits:
      connections: 10000
\`\`\`

## Where a value comes from

A flag wins over an environment variable, that over the file, that over the default. The file is what \`--config\` or
\`RINGMASTER_CONFIG\` names; it ends in \`.yaml\`, \`.yml\` or \`.json\`. In a flag or a variable, the word \`null\` means null,
and a comma separates the entries of a list (\`--roles channels,packager\`). A relative path in the file counts from the file's
folder, any other from the working folder.

A configuration with anything wrong in it stops the start, with a line for each field: what is wrong, what would be right,
where it stands. So does a field or a \`RINGMASTER_\` variable that does not exist. (The variables that Kubernetes sets for a
Service named \`ringmaster\`, such as \`RINGMASTER_PORT=tcp://…\`, are passed over.) No error shows a value, for it could be
a secret.

- \`ringmaster config check\` tells whether the configuration is right, and starts nothing.
- \`ringmaster config print\` shows every value in force and where it came from, without the secrets.
- \`ringmaster config schema > ringmaster.schema.json\` lets an editor complete the file: put
  \`# yaml-language-server: $schema=ringmaster.schema.json\` into its first line.
- \`ringmaster config from-soketi soketi.json\` turns soketi's file and \`SOKETI_\` variables into ours.

## Changes while it runs

The file, and every file that it names for a secret or for TLS, is looked at each second, and at once on SIGHUP; a
replaced symbolic link, which is how Kubernetes updates a ConfigMap or a Secret, counts as a change. Fields marked *live*
take effect without a restart, and close nothing that is still allowed. For the others a warning names what a restart would
change. A file that has become wrong changes nothing: the errors are logged, and the last right configuration stays.
`;

const DEFAULT_APP = `## The default app

Without \`apps\` in the file there is one app, with every optional feature on. Its credentials come from the environment, and
what is not given there from \`default-app.json\` in \`dataDir\`, which the first start makes with random values (readable to
its owner alone). With both key and secret given, no file is read or written: that suits a read-only container.

| Environment | Meaning | Default |
|---|---|---|
| \`RINGMASTER_APP_ID\` | 1 to 64 letters, digits, - and _; best a number | the file's; \`1\` |
| \`RINGMASTER_APP_KEY\` | What clients connect with | the file's |
| \`RINGMASTER_APP_SECRET\` | What servers sign with | the file's |
| \`RINGMASTER_APP_WEBHOOK_URL\` | Where all its events are POSTed to: an http or https URL | no webhook |

Together with \`apps\` in the file these variables are refused.
`;

/** `docs/configuration.md`. The same for every run: it depends on the schema alone. */
export function configReference(): string {
  const sections = [...new Set(settingsFields.map(sectionOf))];
  const tables = sections.map((section) => {
    const fields = settingsFields.filter((field) => sectionOf(field) === section);
    return `### ${section === "" ? "Listener and process" : `\`${section}\``}\n\n${settingsTable(fields)}\n`;
  });
  const apps = appTable(fileFields.filter(({ path }) => path.startsWith("apps[]")));
  return [
    INTRODUCTION,
    "## Settings\n",
    ...tables,
    "## `apps`\n\nA list. Defaults are those of Pusher's own apps. `webhooks` is a list of any length, also none.\n",
    `${apps}\n`,
    DEFAULT_APP,
  ].join("\n");
}

function sectionOf({ path }: Field): string {
  return path.includes(".") ? (path.split(".")[0] ?? "") : "";
}

function settingsTable(fields: readonly Field[]): string {
  return table(
    ["Field", "Type", "Default", "Environment", "Flag", "Takes effect", "Description"],
    fields.map((field) => [
      code(field.path),
      typeOf(field),
      defaultOf(field),
      code(field.envName ?? ""),
      field.flagName === null ? "–" : code(field.flagName),
      EFFECTS[field.effect],
      field.notes.about,
    ]),
  );
}

function appTable(fields: readonly Field[]): string {
  return table(
    ["Field", "Type", "Default", "Takes effect", "Description"],
    fields.map((field) => [
      code(field.path.slice("apps[].".length)),
      typeOf(field),
      defaultOf(field),
      EFFECTS[field.effect],
      field.notes.about,
    ]),
  );
}

const EFFECTS: Readonly<Record<Effect, string>> = {
  restart: "restart",
  live: "live",
  "live content": "content live, path at a restart",
};

function typeOf(field: Field): string {
  const { notes, nullable } = field;
  return `${kindOf(field)}${notes.unit === undefined ? "" : `, ${notes.unit}`}${nullable ? ", or null" : ""}`;
}

function kindOf(field: Field): string {
  const { kind, choices, notes } = field;
  const { min, max } = boundsOf(field);
  const names = {
    number: `whole number from ${min} to ${max}`,
    text: notes.path === true ? "path" : "text",
    choice: choices.map(code).join(", "),
    switch: "true or false",
    list: `list of ${choices.length === 0 ? "texts" : choices.map(code).join(", ")}`,
    secret: SECRET,
    secrets: `mapping of names to values, each a ${SECRET}`,
  } as const;
  return names[kind];
}

const SECRET = "**secret**: text, `{env}` or `{file}`";

function defaultOf({ required, defaultValue }: Field): string {
  if (required) return "required";
  return defaultValue === undefined ? "–" : code(JSON.stringify(defaultValue));
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}
