import { createSecureContext, getCACertificates } from "node:tls";

export interface TlsIdentity {
  /** Authorities that are trusted beside the public ones. PEM, as the others. */
  readonly ca: string | null;
  /** Shown to receivers that ask who we are; both or neither. */
  readonly cert: string | null;
  readonly key: string | null;
}

/** What Bun hands to its own `node:tls`: made once, where a list of authorities is read anew for every connection. */
interface TlsOptions extends Bun.TLSOptions {
  readonly secureContext: unknown;
}

/** What is trusted, and who we are. Throws where it is no PEM. */
export function secureContextOf({ ca, cert, key }: TlsIdentity): unknown {
  const { context } = createSecureContext({
    // A list that is given replaces the default one.
    ca: [...getCACertificates("default"), ...(ca === null ? [] : [ca])],
    ...(cert === null || key === null ? {} : { cert, key }),
  });
  return context;
}

/** Who must be at the other end of a TLS connection, and the session that may be taken up again there. */
export class TlsPeer {
  readonly options: TlsOptions;
  #session: Buffer | undefined;

  /** Without a name it must be the address that is dialled; no name is asked for then. */
  constructor(secureContext: unknown, name: string | undefined) {
    // Said outright, for the environment can turn the default off.
    this.options = { secureContext, serverName: name ?? "", rejectUnauthorized: true };
  }

  /** Once only: a session that is taken up twice lets an onlooker tell that the two are one. */
  takeSession(): Buffer | undefined {
    const session = this.#session;
    this.#session = undefined;
    return session;
  }

  keepSession(session: unknown): void {
    if (Buffer.isBuffer(session)) this.#session = session;
  }
}
