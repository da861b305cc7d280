/** What the bundler makes of a file's name that ends so (scripts/companion.ts). */
declare module '*?text' {
  const text: string;
  export default text;
}
declare module '*?bundle' {
  const code: string;
  export default code;
}
