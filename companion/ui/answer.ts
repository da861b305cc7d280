/** A question to the worker as part of what is shown: asked anew when it changes, late answers passed over. */
import { useEffect, useState } from 'preact/hooks';
import type { Questions, Topic } from '../engine/protocol.ts';
import type { Ask } from './worker.ts';

/** The answer, undefined until the first is there; while a new one is computed the last one stays. */
export function useAnswer<T extends Topic>(
  ask: Ask,
  topic: T,
  question: Questions[T]['ask'],
  key: string,
): Questions[T]['answer'] | undefined {
  const [known, setKnown] = useState<Questions[T]['answer']>();
  // the key stands for the question
  useEffect(() => {
    let wanted = true;
    ask(topic, question).then(
      (answer) => wanted && setKnown(answer),
      () => wanted && setKnown(undefined),
    );
    return () => {
      wanted = false;
    };
  }, [ask, topic, key]);
  return known;
}
