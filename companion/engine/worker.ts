/** The worker: computes away from the page, so that the page never stands still. */
import { visible } from '../../lib/report/escape.ts';
import type { Progress, Question, Questions, Reply, Topic } from './protocol.ts';
import { converse } from './session.ts';

/** What of a worker's global scope is used. */
interface Scope {
  onmessage: ((event: { readonly data: Question }) => void) | null;
  postMessage(reply: Reply): void;
}

type Answer = Questions[Topic]['answer'];

const scope = globalThis as unknown as Scope;
const answers = converse();

scope.onmessage = async ({ data: { id, topic, ask } }) => {
  try {
    const answering = answers[topic] as (ask: unknown, progress: Progress) => Answer | Promise<Answer>;
    scope.postMessage({ id, answer: await answering(ask, (share) => scope.postMessage({ id, share })) });
  } catch (error) {
    scope.postMessage({ id, error: visible((error as Error).message) });
  }
};
