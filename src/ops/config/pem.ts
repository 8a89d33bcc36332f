import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { type FileReads, readFailure } from "./file-reads.ts";

export interface PemProblem {
  /** The field that names the file. */
  readonly path: string;
  /** What is wrong; what would be right. Quotes nothing of the file. */
  readonly message: string;
}

/** Reads PEM files that settings name, checks them, and gathers what is wrong. */
export class PemReading {
  readonly #reads: FileReads;
  readonly #problems: PemProblem[] = [];

  constructor(reads: FileReads) {
    this.#reads = reads;
  }

  get problems(): readonly PemProblem[] {
    return this.#problems;
  }

  /** The text of a file that begins with a certificate; undefined when there is a problem. `what` it is to hold. */
  async certificates(path: string, file: string, what: string): Promise<string | undefined> {
    const pem = await this.#read(path, file);
    if (pem === undefined || certificateIn(pem) !== undefined) return pem;
    this.#refuse(path, `holds no certificate; give a PEM file with ${what}`);
    return undefined;
  }

  /** A certificate and the key that belongs to it; undefined when there is a problem. */
  async pair(
    cert: { readonly path: string; readonly file: string },
    key: { readonly path: string; readonly file: string },
  ): Promise<{ readonly cert: string; readonly key: string } | undefined> {
    const certPem = await this.certificates(cert.path, cert.file, "one");
    const keyPem = await this.#read(key.path, key.file);
    if (keyPem === undefined) return undefined;
    const privateKey = privateKeyIn(keyPem);
    if (typeof privateKey === "string") {
      this.#refuse(key.path, privateKey);
      return undefined;
    }
    if (certPem === undefined) return undefined;
    if (certificateIn(certPem)?.checkPrivateKey(privateKey) !== true) {
      this.#refuse(key.path, `is not the key of ${cert.path}; give the two that belong together`);
      return undefined;
    }
    return { cert: certPem, key: keyPem };
  }

  async #read(path: string, file: string): Promise<string | undefined> {
    try {
      return (await this.#reads.read(file)).toString("utf8");
    } catch (error) {
      this.#refuse(
        path,
        `cannot be read (${readFailure(error)}); give the path of a file that can`,
      );
      return undefined;
    }
  }

  #refuse(path: string, message: string): void {
    this.#problems.push({ path, message });
  }
}

function certificateIn(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
}

/** The key, or what is wrong with it: the library's own message might quote the file. */
function privateKeyIn(pem: string): KeyObject | string {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const locked =
      error instanceof Error && "code" in error && error.code === "ERR_MISSING_PASSPHRASE";
    return locked
      ? "has a passphrase; give a key without one (openssl pkey -in locked.pem -out key.pem)"
      : "holds no private key; give a PEM file with one";
  }
}
