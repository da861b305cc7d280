/** Who wrote a file: put where its format has room for a name, and looked for there (lib/disk/marks.ts). */
export const GENERATOR = 'alexnet-oracle';
