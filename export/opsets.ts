/**
 * The opsets that inference graphs are written in. Their nodes are the same in all of them: nothing that is written
 * here has changed its meaning since 13. A newer opset stands for newer versions of the operators, which an engine may
 * lack.
 */
export const opsets = { first: 13, last: 25 } as const;

interface Change {
  readonly opset: number;
  /** Operators written here of which a version begins (onnx/docs/Changelog.md). */
  readonly operators: string;
  readonly what: string;
  /** What it means for who runs the file. */
  readonly note?: string;
}

export const changes: readonly Change[] = [
  {
    opset: 14,
    operators: 'Add Div Identity Mul Relu Reshape Sub',
    what: 'more integers; Reshape: allowzero',
  },
  { opset: 15, operators: 'Pow', what: 'bfloat16' },
  { opset: 16, operators: 'Identity', what: 'optional values' },
  { opset: 18, operators: 'Pad', what: 'axes as an input' },
  {
    opset: 19,
    operators: 'AveragePool Cast Identity Pad Reshape',
    what: 'AveragePool: dilations; Cast: saturate, for 8-bit floats; Pad: wrap',
  },
  { opset: 21, operators: 'Cast Flatten Identity Pad Reshape Transpose', what: 'integers of 4 bits' },
  {
    opset: 22,
    operators: 'AveragePool Conv MaxPool',
    what: 'bfloat16',
    note: "onnxruntime 1.30's WebGPU leaves max-pooling to the CPU from opset 22 on: 21 or below for it",
  },
  { opset: 23, operators: 'Cast Flatten Identity Pad Reshape Transpose', what: 'floats of 4 bits' },
  { opset: 24, operators: 'Cast Flatten Identity Pad Reshape Transpose', what: '8-bit exponents' },
  { opset: 25, operators: 'Cast Flatten Identity Pad Reshape Transpose', what: 'integers of 2 bits' },
];

/** What is to be said of a file in that opset. */
export const opsetNotes = (opset: number): readonly string[] =>
  changes.flatMap((change) => (change.note && change.opset <= opset ? [change.note] : []));
