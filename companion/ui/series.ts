/** Many small questions one after another: so the worker can answer others in between, and progress is seen. */
import { useEffect, useState } from 'preact/hooks';
import { macs } from '../../reference/oracle.ts';
import type { Scene } from './scene.ts';

export interface Series {
  /** What is there so far. */
  readonly parts: readonly Float64Array[];
  readonly running: boolean;
  readonly start: () => void;
}

/** Multiply-adds that are computed without being asked: a second or so. */
const CHEAP = 2e10;

/** Asks part 0 to `count` − 1 in order; by itself where `passes` forward passes cost little. */
export function useSeries(
  scene: Scene,
  passes: number,
  count: number,
  part: (at: number) => Promise<{ readonly losses: Float64Array }>,
): Series {
  const [parts, setParts] = useState<readonly Float64Array[]>([]);
  const [running, setRunning] = useState(passes * macs(scene.network) < CHEAP);
  // one series for the life of what shows it: another question is another element
  useEffect(() => {
    if (!running) return;
    let wanted = true;
    const go = async (): Promise<void> => {
      const known: Float64Array[] = [];
      for (let at = 0; at < count && wanted; at++) {
        known.push((await part(at)).losses);
        if (wanted) setParts([...known]);
      }
      if (wanted) setRunning(false);
    };
    void go();
    return () => {
      wanted = false;
    };
  }, [running]);
  return { parts, running, start: () => setRunning(true) };
}
