import type { FileReads } from "./file-reads.ts";
import { type PemProblem, PemReading } from "./pem.ts";
import type { Settings } from "./settings.ts";

/** What a TLS listener needs, as PEM. The key belongs to the certificate: that has been checked. */
export interface TlsMaterial {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** Reads and checks the files of the TLS listener; null where there is none. */
export async function readTls(
  { port, certFile, keyFile, caFile }: Settings["tls"],
  reads: FileReads,
): Promise<{ readonly material: TlsMaterial | null; readonly problems: readonly PemProblem[] }> {
  if (port === null || certFile === null || keyFile === null)
    return { material: null, problems: [] };

  const reading = new PemReading(reads);
  const pair = await reading.pair(
    { path: "tls.certFile", file: certFile },
    { path: "tls.keyFile", file: keyFile },
  );
  const ca =
    caFile === null ? undefined : await reading.certificates("tls.caFile", caFile, "the chain");
  const { problems } = reading;
  if (problems.length > 0 || pair === undefined) return { material: null, problems };
  return { material: { ...pair, ca }, problems };
}
