import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { selfSigned } from "../e2e/support/certificates.ts";
import { eventually, within } from "../e2e/support/wait.ts";

/** As operators set it up: TLS ends here, WebSockets and the API are passed on, the first server that answers is used. */
function configuration(
  folder: string,
  port: number,
  tlsPort: number,
  upstreams: readonly number[],
): string {
  const servers = upstreams.map(
    (upstream, position) =>
      `server 127.0.0.1:${upstream}${position > 0 ? " backup" : ""} max_fails=0;`,
  );
  return `
    daemon off;
    master_process off;
    error_log ${folder}/error.log;
    pid ${folder}/nginx.pid;
    events { worker_connections 1024; }
    http {
      access_log off;
      client_body_temp_path ${folder}/temp;
      proxy_temp_path ${folder}/temp;
      fastcgi_temp_path ${folder}/temp;
      uwsgi_temp_path ${folder}/temp;
      scgi_temp_path ${folder}/temp;
      map $http_upgrade $connection_upgrade { default upgrade; "" ""; }
      upstream ringmaster { ${servers.join(" ")} keepalive 16; }
      server {
        listen 127.0.0.1:${port};
        listen 127.0.0.1:${tlsPort} ssl;
        ssl_certificate ${folder}/cert.pem;
        ssl_certificate_key ${folder}/key.pem;
        location / {
          proxy_pass http://ringmaster;
          proxy_http_version 1.1;
          proxy_set_header Host $host;
          proxy_set_header Upgrade $http_upgrade;
          proxy_set_header Connection $connection_upgrade;
          proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          proxy_set_header X-Forwarded-Proto $scheme;
          proxy_read_timeout 3600s;
        }
      }
    }
  `;
}

/** A real nginx in front of the servers; the first takes everything while it is there. */
export class Nginx {
  readonly port: number;
  readonly tlsPort: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "ringmaster-nginx-"));
  readonly #child: ReturnType<typeof spawn>;
  readonly #exited: Promise<void>;

  private constructor(port: number, tlsPort: number, upstreams: readonly number[]) {
    this.port = port;
    this.tlsPort = tlsPort;
    const file = join(this.#folder, "nginx.conf");
    const { cert, key } = selfSigned("proxy.test");
    writeFileSync(join(this.#folder, "cert.pem"), cert);
    writeFileSync(join(this.#folder, "key.pem"), key);
    mkdirSync(join(this.#folder, "temp"));
    writeFileSync(file, configuration(this.#folder, port, tlsPort, upstreams));
    const args = ["-c", file, "-e", join(this.#folder, "error.log"), "-p", this.#folder];
    const checked = spawnSync("nginx", ["-t", ...args], { encoding: "utf8" });
    if (checked.status !== 0) throw new Error(`nginx: ${checked.stderr}`);
    this.#child = spawn("nginx", args, { stdio: ["ignore", "inherit", "inherit"] });
    this.#exited = new Promise((resolve) => this.#child.once("exit", () => resolve()));
    process.on("exit", () => this.#child.kill("SIGKILL"));
  }

  static async start(upstreams: readonly number[]): Promise<Nginx> {
    const [port, tlsPort] = await freePorts(2);
    const nginx = new Nginx(port!, tlsPort!, upstreams);
    await eventually("nginx answers", async () => {
      try {
        return (await fetch(`http://127.0.0.1:${nginx.port}/`)).ok;
      } catch {
        return false;
      }
    });
    return nginx;
  }

  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    await within("nginx ends", this.#exited);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Free a moment ago, and all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  const ports: number[] = [];
  for (const server of servers) {
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    ports.push((server.address() as AddressInfo).port);
  }
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}
