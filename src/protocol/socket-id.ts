const SOCKET_ID = /^\d+\.\d+$/;

/** Every server library checks this form: `<process>.<connection>`, decimal digits both. */
export function isSocketId(text: string): boolean {
  return SOCKET_ID.test(text);
}
