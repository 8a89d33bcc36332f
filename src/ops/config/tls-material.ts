import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import type { Settings } from "./settings.ts";
import { type FileReads, readFailure } from "./file-reads.ts";

/** What a TLS listener needs, as PEM. The key belongs to the certificate: that has been checked. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

export interface TlsProblem {
  readonly path: "tls.certFile" | "tls.keyFile" | "tls.caFile";
  readonly message: string;
}

/** Reads and checks the files of the TLS listener; null where there is none. */
export async function readTls(
  tls: Settings["tls"],
  reads: FileReads,
): Promise<{ readonly material: TlsMaterial | null; readonly problems: readonly TlsProblem[] }> {
  const { port, certFile, keyFile, caFile } = tls;
  if (port === null || certFile === null || keyFile === null)
    return { material: null, problems: [] };

  const problems: TlsProblem[] = [];
  const read = async (path: TlsProblem["path"], file: string): Promise<string | undefined> => {
    try {
      return (await reads.read(file)).toString("utf8");
    } catch (error) {
      problems.push({
        path,
        message: `cannot be read (${readFailure(error)}); give the path of a file that can`,
      });
      return undefined;
    }
  };
  const cert = await read("tls.certFile", certFile);
  const key = await read("tls.keyFile", keyFile);
  const ca = caFile === null ? undefined : await read("tls.caFile", caFile);

  const certificate = cert === undefined ? undefined : certificateIn(cert);
  if (cert !== undefined && certificate === undefined) {
    problems.push({
      path: "tls.certFile",
      message: "holds no certificate; give a PEM file with one",
    });
  }
  if (ca !== undefined && certificateIn(ca) === undefined) {
    problems.push({
      path: "tls.caFile",
      message: "holds no certificate; give a PEM file with the chain",
    });
  }
  const privateKey = key === undefined ? undefined : privateKeyIn(key);
  if (typeof privateKey === "string") {
    problems.push({ path: "tls.keyFile", message: privateKey });
  } else if (
    certificate !== undefined &&
    privateKey !== undefined &&
    !certificate.checkPrivateKey(privateKey)
  ) {
    problems.push({
      path: "tls.keyFile",
      message: "is not the key of tls.certFile; give the two that belong together",
    });
  }

  if (problems.length > 0 || cert === undefined || key === undefined)
    return { material: null, problems };
  return { material: { cert, key, ca }, problems };
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
