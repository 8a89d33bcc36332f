import type { App } from "../protocol/app.ts";
import { signingKey } from "../protocol/app.ts";
import { VERSION } from "../ops/version.ts";

export interface BannerFacts {
  /** As bound: 0.0.0.0 and :: are shown as the loopback address, which a browser can open. */
  readonly host: string;
  readonly port: number | null;
  readonly tlsPort: number | null;
  readonly pathPrefix: string;
  readonly operations: { readonly host: string; readonly port: number } | null;
  readonly defaultApp: { readonly app: App; readonly secretLocation: string } | null;
  readonly apps: number;
}

/** What a person at a terminal is told when the server is ready: where it is, who one is to it, and what to paste. */
export function banner(facts: BannerFacts): string {
  const lines = [`Ringmaster ${VERSION} is ready.`, ""];
  const row = (label: string, text: string): void =>
    void lines.push(`  ${label.padEnd(11)} ${text}`);
  const secure = facts.port === null;
  const port = facts.port ?? facts.tlsPort;
  const host = reachable(facts.host);
  const app = facts.defaultApp?.app;
  const key = app === undefined ? undefined : signingKey(app)?.key;
  row(
    "WebSocket",
    `${secure ? "wss" : "ws"}://${host}:${port}${facts.pathPrefix}/app/${key ?? "<app key>"}`,
  );
  row(
    "HTTP API",
    `${secure ? "https" : "http"}://${host}:${port}${facts.pathPrefix}/apps/${app?.id ?? "<app id>"}`,
  );
  if (facts.operations !== null) {
    row(
      "Operations",
      `http://${reachable(facts.operations.host)}:${facts.operations.port}/metrics, /healthz, /readyz`,
    );
  }
  if (facts.defaultApp === null || app === undefined) {
    row("Apps", `${facts.apps} from the configuration`);
    return `${lines.join("\n")}\n`;
  }
  row("App id", app.id);
  row("App key", key ?? "");
  row("App secret", `is in ${facts.defaultApp.secretLocation}`);
  lines.push(
    "",
    "Paste into a page that has pusher-js:",
    "",
    `  ${snippet(key ?? "", host, facts)}`,
    "",
  );
  lines.push("Or try it from a second terminal:", "");
  lines.push(
    "  npx ringmaster subscribe demo",
    `  npx ringmaster trigger demo hello '{"text":"world"}'`,
  );
  return `${lines.join("\n")}\n`;
}

function snippet(key: string, host: string, { port, tlsPort, pathPrefix }: BannerFacts): string {
  const options = [
    `cluster: ""`,
    `wsHost: "${host}"`,
    ...(port === null ? [] : [`wsPort: ${port}`]),
    ...(tlsPort === null ? [] : [`wssPort: ${tlsPort}`]),
    ...(pathPrefix === "" ? [] : [`wsPath: "${pathPrefix}"`]),
    `forceTLS: ${port === null}`,
    `enabledTransports: ["ws", "wss"]`,
  ];
  return `new Pusher("${key}", { ${options.join(", ")} }).subscribe("demo").bind_global(console.log);`;
}

function reachable(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}
