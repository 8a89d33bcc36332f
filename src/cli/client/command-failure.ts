/** Why a command could not do its work, in one line that says what to do about it. Never holds a secret. */
export class CommandFailure extends Error {
  override readonly name: string = "CommandFailure";
  readonly exitCode: number = 1;
}

/** The command was told something incomplete or contradictory: trying again without a change is of no use. */
export class UsageMistake extends CommandFailure {
  override readonly name = "UsageMistake";
  override readonly exitCode = 2;
}

/**
 * The action with its failures told on stderr.
 *
 * It sets the exit code and returns, where `process.exit` would cut off what is still on its way into a pipe.
 */
export function tellingFailures<Arguments extends unknown[]>(
  action: (...given: Arguments) => Promise<void>,
): (...given: Arguments) => Promise<void> {
  return async (...given) => {
    try {
      await action(...given);
    } catch (error) {
      if (!(error instanceof CommandFailure)) throw error;
      process.stderr.write(`error: ${error.message}\n`);
      process.exitCode = error.exitCode;
    }
  };
}
