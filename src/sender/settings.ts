/** How this process sends. Filled from the configuration, which documents each. */
export interface SenderSettings {
  /** Requests under way at once, over all endpoints. */
  readonly slots: number;
  /** Of these, to one endpoint. */
  readonly endpointConcurrency: number;
  /** A job that our own faults kept from being tried is buried when it is this old. A pause buries nothing. */
  readonly maxJobAgeMs: number;
  /** On stopping: how long requests under way may take to end before they are given back. */
  readonly stopTimeoutMs: number;
}
