import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  /** PEM. */
  readonly cert: string;
  readonly key: string;
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** An authority that nobody knows, for as long as a test file runs. */
export class CertificateAuthority {
  readonly #folder = mkdtempSync(join(tmpdir(), "ringmaster-authority-"));
  readonly #own: Certificate;
  #made = 0;

  constructor() {
    this.#own = this.selfSigned("Some Authority");
  }

  get cert(): string {
    return this.#own.cert;
  }

  /** A certificate for names as `DNS:hook.example.com` or `IP:127.0.0.1`; with no days left it has expired. */
  issue(names: string, validDays = 2): Certificate {
    const [cert, key, request] = [this.#file(), this.#file(), this.#file()];
    const [extensions, caCert, caKey] = [this.#file(), this.#file(), this.#file()];
    this.#openssl("req", ...NEW_KEY, "-keyout", key, "-out", request, "-subj", "/CN=receiver");
    writeFileSync(extensions, `subjectAltName=${names}\n`);
    writeFileSync(caCert, this.#own.cert);
    writeFileSync(caKey, this.#own.key);
    const signing = ["-CA", caCert, "-CAkey", caKey, "-CAcreateserial", "-extfile", extensions];
    this.#openssl(
      "x509",
      "-req",
      "-in",
      request,
      ...signing,
      "-days",
      `${validDays}`,
      "-out",
      cert,
    );
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  }

  selfSigned(commonName: string, names = "DNS:nobody.example"): Certificate {
    const [cert, key] = [this.#file(), this.#file()];
    const subject = ["-subj", `/CN=${commonName}`, "-addext", `subjectAltName=${names}`];
    this.#openssl(
      "req",
      "-x509",
      ...NEW_KEY,
      "-keyout",
      key,
      "-out",
      cert,
      "-days",
      "2",
      ...subject,
    );
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #file(): string {
    return join(this.#folder, `${this.#made++}.pem`);
  }

  #openssl(...args: string[]): void {
    execFileSync("openssl", args, { stdio: "pipe" });
  }
}
