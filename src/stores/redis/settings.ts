export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Certificates as PEM text. */
export interface RedisTls {
  /** Who signed the server's certificate; null: those whom the system trusts. */
  readonly ca: string | null;
  /** Of ourselves, where the server asks. */
  readonly cert: string | null;
  readonly key: string | null;
  /** The name that the certificate must have; null: the host that we connect to. */
  readonly serverName: string | null;
}

/** How the servers are found. */
export type RedisPlace =
  | { readonly mode: "standalone"; readonly address: RedisAddress; readonly database: number }
  | {
      readonly mode: "sentinel";
      /** What the Sentinels call it. */
      readonly primaryName: string;
      readonly sentinels: readonly RedisAddress[];
      readonly username: string | null;
      readonly password: string | null;
      readonly database: number;
    }
  /** Some of its nodes; the others are learned from them. */
  | { readonly mode: "cluster"; readonly nodes: readonly RedisAddress[] };

export interface RedisSettings {
  readonly place: RedisPlace;
  readonly username: string | null;
  readonly password: string | null;
  readonly tls: RedisTls | null;
  readonly connectTimeoutMs: number;
  /** A call that has no answer by then is rejected; a server that answers nothing for so long is taken for lost. */
  readonly commandTimeoutMs: number;
}

/** What one connection needs to know. */
export interface Access {
  readonly isCluster: boolean;
  readonly username: string | null;
  readonly password: string | null;
  readonly database: number;
  readonly tls: RedisTls | null;
  readonly connectTimeoutMs: number;
  readonly commandTimeoutMs: number;
}

export function accessOf(settings: RedisSettings): Access {
  const { place, username, password, tls, connectTimeoutMs, commandTimeoutMs } = settings;
  const isCluster = place.mode === "cluster";
  const database = place.mode === "cluster" ? 0 : place.database;
  return { isCluster, username, password, database, tls, connectTimeoutMs, commandTimeoutMs };
}

export function addressText({ host, port }: RedisAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
