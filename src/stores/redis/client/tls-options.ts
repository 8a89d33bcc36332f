import { isIP } from "node:net";
import type { RedisTls } from "../settings.ts";

/** For node:tls. */
export function tlsOptions(
  host: string,
  { ca, cert, key, serverName }: RedisTls,
): { ca?: string; cert?: string; key?: string; servername?: string; rejectUnauthorized: true } {
  // An address is no name to ask for; the certificate must have it all the same.
  const name = serverName ?? (isIP(host) === 0 ? host : null);
  return {
    ...(ca === null ? {} : { ca }),
    ...(cert === null ? {} : { cert }),
    ...(key === null ? {} : { key }),
    ...(name === null ? {} : { servername: name }),
    rejectUnauthorized: true,
  };
}
