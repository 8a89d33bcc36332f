/** Thrown where a request cannot be served as it is; answered with its status and its sentence. */
export class AdminFault extends Error {
  override readonly name = "AdminFault";
  readonly status: 400 | 404 | 405 | 409 | 413 | 415;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: AdminFault["status"],
    message: string,
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
