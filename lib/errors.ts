/** The two kinds of failure that are not a disagreement; the command line turns them into exit codes 2 and 3. */

/** Bad usage or bad input: exit 2. The message is one line: what happened and how to mend it. */
export class InputError extends Error {
  override readonly name = 'InputError';
}

/** Something that ONNX has and this program does not. */
export class Unsupported extends InputError {}

/** The asked device or a library is missing, or --strict-device was not met: exit 3. */
export class EnvironmentError extends Error {
  override readonly name = 'EnvironmentError';
}
