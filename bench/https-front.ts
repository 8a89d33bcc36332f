import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, LOAD_CORE, removeAtEnd } from "./child.ts";
import { freePort, untilListening } from "./contestant.ts";

/** TLS in front of the sink: nginx, on the sink's core, handing every request on, so that the same program counts them. */
export interface HttpsFront {
  readonly port: number;
  /** The certificate that signed its own, which is for 127.0.0.1. */
  readonly caFile: string;
  stop(): Promise<void>;
}

export async function startHttpsFront(sinkPort: number): Promise<HttpsFront> {
  // Debian keeps it where only root looks.
  const nginx = Bun.which("nginx", { PATH: `${process.env["PATH"] ?? ""}:/usr/sbin` });
  if (nginx === null || Bun.which("openssl") === null) {
    throw new Error(
      "HTTPS needs nginx and openssl: apt install --no-install-recommends nginx-light openssl",
    );
  }
  const home = await mkdtemp(join(tmpdir(), "ringmaster-bench-"));
  removeAtEnd(home);
  const [caFile, keyFile, port] = [join(home, "cert.pem"), join(home, "key.pem"), await freePort()];
  const kind = ["-x509", "-nodes", "-days", "2", "-newkey", "ec"];
  const curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"];
  const files = ["-keyout", keyFile, "-out", caFile];
  const openssl = Bun.spawn(["openssl", "req", ...kind, ...curve, ...names, ...files], {
    stdout: "ignore",
    stderr: "pipe",
  });
  const [complaints, code] = await Promise.all([
    new Response(openssl.stderr).text(),
    openssl.exited,
  ]);
  if (code !== 0) throw new Error(`openssl: ${complaints.trim()}`);
  const configFile = join(home, "nginx.conf");
  await Bun.write(configFile, configuration(home, port, sinkPort));
  const child = new Child([nginx, "-p", home, "-c", configFile, "-e", "stderr"], {
    core: LOAD_CORE,
  });
  await untilListening(child, port);
  return { port, caFile, stop: () => child.stop() };
}

function configuration(home: string, port: number, sinkPort: number): string {
  return `
daemon off; master_process off; pid ${home}/pid; error_log stderr;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${home}/body; proxy_temp_path ${home}/proxy; fastcgi_temp_path ${home}/fastcgi;
  uwsgi_temp_path ${home}/uwsgi; scgi_temp_path ${home}/scgi;
  upstream sink { server 127.0.0.1:${sinkPort}; keepalive 256; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${home}/cert.pem; ssl_certificate_key ${home}/key.pem;
    keepalive_requests 100000000;
    location / { proxy_pass http://sink; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`;
}
