import type { Session } from "./session.ts";

const NONE: ReadonlySet<Session> = new Set();

/** The sockets of this node: by number, by app, and by the user they are signed in as. */
export class Sessions {
  readonly #byNumber = new Map<number, Session>();
  readonly #byApp = new Map<string, Set<Session>>();
  /** By `app id/user id`. */
  readonly #byUser = new Map<string, Set<Session>>();

  get size(): number {
    return this.#byNumber.size;
  }

  add(session: Session): void {
    this.#byNumber.set(session.number, session);
    include(this.#byApp, session.tenant.id, session);
  }

  delete(session: Session): void {
    this.#byNumber.delete(session.number);
    exclude(this.#byApp, session.tenant.id, session);
  }

  get(number: number): Session | undefined {
    return this.#byNumber.get(number);
  }

  all(): Iterable<Session> {
    return this.#byNumber.values();
  }

  ofApp(appId: string): ReadonlySet<Session> {
    return this.#byApp.get(appId) ?? NONE;
  }

  ofUser(appId: string, userId: string): ReadonlySet<Session> {
    return this.#byUser.get(`${appId}/${userId}`) ?? NONE;
  }

  /** Answers how many sockets of that user there are now. */
  addUser(session: Session, userId: string): number {
    return include(this.#byUser, `${session.tenant.id}/${userId}`, session);
  }

  /** Answers how many sockets of that user are left. */
  deleteUser(session: Session, userId: string): number {
    return exclude(this.#byUser, `${session.tenant.id}/${userId}`, session);
  }
}

function include(index: Map<string, Set<Session>>, key: string, session: Session): number {
  let set = index.get(key);
  if (set === undefined) {
    set = new Set();
    index.set(key, set);
  }
  return set.add(session).size;
}

function exclude(index: Map<string, Set<Session>>, key: string, session: Session): number {
  const set = index.get(key);
  if (set === undefined) return 0;
  set.delete(session);
  if (set.size === 0) index.delete(key);
  return set.size;
}
