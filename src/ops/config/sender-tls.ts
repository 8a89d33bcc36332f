import type { FileReads } from "./file-reads.ts";
import { type PemProblem, PemReading } from "./pem.ts";
import type { Settings } from "./settings.ts";

/** What the sender needs for TLS beyond the system's authorities, as PEM. A key belongs to its certificate. */
export interface SenderTls {
  /** Authorities that are believed beside the system's. */
  readonly ca: string | null;
  /** Shown to receivers that ask; both or neither. */
  readonly cert: string | null;
  readonly key: string | null;
}

/** Reads and checks the files that `sender` names. */
export async function readSenderTls(
  { caFile, certFile, keyFile }: Settings["sender"],
  reads: FileReads,
): Promise<{ readonly material: SenderTls; readonly problems: readonly PemProblem[] }> {
  const reading = new PemReading(reads);
  const ca =
    caFile === null
      ? null
      : ((await reading.certificates("sender.caFile", caFile, "those to believe")) ?? null);
  const pair =
    certFile === null || keyFile === null
      ? undefined
      : await reading.pair(
          { path: "sender.certFile", file: certFile },
          { path: "sender.keyFile", file: keyFile },
        );
  return {
    material: { ca, cert: pair?.cert ?? null, key: pair?.key ?? null },
    problems: reading.problems,
  };
}
