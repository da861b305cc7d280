/** Puts the page together: what it was given, the worker that computes, and what is shown of it. */
import { render } from 'preact';
import { App } from './app.tsx';
import { readStart } from './start.ts';
import { startWorker } from './worker.ts';

render(<App start={readStart()} ask={startWorker()} />, document.getElementById('page')!);
