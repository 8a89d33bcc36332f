import { type Socket, connect } from "node:net";

const PRIORITY = 1_024;
const TIME_TO_RUN_S = 120;
const PUTS_AT_ONCE = 200;
const PAUSE_S = 3_600;

interface Answer {
  readonly line: string;
  readonly text: string;
}

/** What the benchmark says to beanstalkd: enough to fill one tube, hold it back and look into it. */
export class Beanstalk {
  readonly #socket: Socket;
  readonly #tube: string;
  readonly #waiting: PromiseWithResolvers<Answer>[] = [];
  #received = "";

  private constructor(socket: Socket, tube: string) {
    this.#socket = socket;
    this.#tube = tube;
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      this.#received += chunk;
      while (this.#takeAnswer());
    });
    socket.on("close", () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error("beanstalkd is gone"));
    });
    // What is wrong is told by the close that follows.
    socket.on("error", () => undefined);
  }

  static async connect(port: number, tube: string): Promise<Beanstalk> {
    const socket = connect(port, "127.0.0.1");
    await new Promise<void>((resolve, reject) => {
      socket.once("connect", resolve);
      socket.once("error", reject);
    });
    const beanstalk = new Beanstalk(socket, tube);
    await beanstalk.#command(`use ${tube}`, "USING");
    return beanstalk;
  }

  async put(jobs: readonly string[]): Promise<void> {
    for (let first = 0; first < jobs.length; first += PUTS_AT_ONCE) {
      const some = jobs.slice(first, first + PUTS_AT_ONCE);
      await Promise.all(
        some.map((job) =>
          this.#command(
            `put ${PRIORITY} 0 ${TIME_TO_RUN_S} ${Buffer.byteLength(job)}\r\n${job}`,
            "INSERTED",
          ),
        ),
      );
    }
  }

  /** Nobody is given a job until `resume`. */
  async pause(): Promise<void> {
    await this.#command(`pause-tube ${this.#tube} ${PAUSE_S}`, "PAUSED");
  }

  async resume(): Promise<void> {
    await this.#command(`pause-tube ${this.#tube} 0`, "PAUSED");
  }

  /** Jobs that nobody has deleted. */
  async jobs(): Promise<number> {
    const { text } = await this.#command(`stats-tube ${this.#tube}`, "OK");
    const counts = text.matchAll(/^current-jobs-(?:ready|reserved|delayed|buried): (\d+)$/gm);
    return [...counts].reduce((total, [, count]) => total + Number(count), 0);
  }

  close(): void {
    this.#socket.destroy();
  }

  async #command(command: string, expected: string): Promise<Answer> {
    if (this.#socket.destroyed) throw new Error("beanstalkd is gone");
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.push(waiting);
    this.#socket.write(`${command}\r\n`);
    const answer = await waiting.promise;
    if (answer.line.split(" ", 1)[0] !== expected) {
      throw new Error(`beanstalkd answered ${answer.line} to ${command.slice(0, 60)}`);
    }
    return answer;
  }

  /** False when the next answer is not there in full. */
  #takeAnswer(): boolean {
    const end = this.#received.indexOf("\r\n");
    if (end < 0) return false;
    const line = this.#received.slice(0, end);
    const textBytes = /^OK (\d+)$/.exec(line)?.[1];
    const whole = end + 2 + (textBytes === undefined ? 0 : Number(textBytes) + 2);
    if (this.#received.length < whole) return false;
    const text = this.#received.slice(end + 2, whole);
    this.#received = this.#received.slice(whole);
    this.#waiting.shift()?.resolve({ line, text });
    return true;
  }
}
