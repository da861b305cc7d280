/** The worker: computes away from the page, so that the page never stands still. */
import type { Question, Reply } from './protocol.ts';
import { converse } from './session.ts';

/** What of a worker's global scope is used. */
interface Scope {
  onmessage: ((event: { readonly data: Question }) => void) | null;
  postMessage(reply: Reply): void;
}

const scope = globalThis as unknown as Scope;
const answers = converse();

scope.onmessage = ({ data: { id, topic, ask } }) => {
  try {
    const answer = (answers[topic] as (ask: unknown) => Reply extends { answer: infer A } ? A : never)(ask);
    scope.postMessage({ id, answer });
  } catch (error) {
    scope.postMessage({ id, error: (error as Error).message });
  }
};
