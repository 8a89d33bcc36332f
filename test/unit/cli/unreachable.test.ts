import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { runCli, RUN_TIMEOUT_MS } from "./cli-run.ts";
import { LocalServer } from "./local-server.ts";

setDefaultTimeout(RUN_TIMEOUT_MS);

const APP = { RINGMASTER_APP_ID: "1", RINGMASTER_APP_KEY: "k", RINGMASTER_APP_SECRET: "hush" };

describe.each(["trigger demo hello", "subscribe demo"])("%s", (command) => {
  const run = (...more: string[]) => runCli([...command.split(" "), ...more], { env: APP });

  test.concurrent("says that nothing listens", async () => {
    const { code, stdout, stderr } = await run("--port", "1");
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    expect(stderr).toMatch(
      /^error: cannot reach (http|ws):\/\/127.0.0.1:\d+: nothing listens there .*`ringmaster serve`.*\n$/,
    );
  });

  test.concurrent("says that the name is not known", async () => {
    const { code, stderr } = await run("--host", "no-such-host.invalid");
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: cannot reach (http|ws):\/\/no-such-host.invalid:6001: its name .* \(DNS\); .*\n$/,
    );
  });

  test.concurrent("says that the certificate is from nobody it knows, and how to make it known", async () => {
    await using server = new LocalServer({ tls: true });
    const { code, stderr } = await run(
      "--tls",
      "--host",
      "localhost",
      "--port",
      String(server.port),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^error: cannot reach (https|wss):.* not from a known authority; .*NODE_EXTRA_CA_CERTS\n$/,
    );
  });

  test.concurrent("says that the port does not speak TLS", async () => {
    await using server = new LocalServer();
    const { code, stderr } = await run("--tls", "--port", String(server.port));
    expect(code).toBe(1);
    expect(stderr).toMatch(/that port does not speak TLS; leave --tls out/);
  });

  test.concurrent("says that the port might want TLS", async () => {
    await using server = new LocalServer({ tls: true });
    const { code, stderr } = await run("--port", String(server.port));
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /closed the connection without an answer; if that port speaks TLS, use --tls/,
    );
  });

  test.concurrent("says that something else is there", async () => {
    await using server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => new Response("<html>"),
    });
    const { code, stderr } = await run("--port", String(server.port));
    expect(code).toBe(1);
    expect(stderr).toContain("whether a Pusher-compatible server is behind it");
  });
});
